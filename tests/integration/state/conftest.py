"""A custodian's folders on a real disk, with everything of the state real: SQLite, anchor, keys, board."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian import setup
from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper import AuditEntry, Put, Transaction
from casemate.custodian.keys.master import open_master
from casemate.custodian.opening import Opened, open_state
from casemate.simulator import pki
from casemate.testing.shield_side import ShieldSide
from casemate.wire import canonical, dsse
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import RESTORE_TYPE, CustodianGenesis
from casemate.wire.fields import b64u_decode, format_time

from .processes import MANIFEST, MEASUREMENT, Process

SEALING = bytes(range(32))
NAMES = ("alice", "bob", "carol")


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def init_request(**change: object) -> dict[str, Any]:
    """A board of three, of whom two must approve."""
    keys = {name: {"key": signing_key_text(private_key(name).public_key().public_bytes_raw())} for name in NAMES}
    board = {"principals": keys, "rule": {"at_least": 2, "of": list(NAMES)}}
    return {"name": "test", "board": board, **change}


@dataclass
class Installation:
    """Folders for data and anchor. `kept` are copies that an attacker took."""

    folder: Path
    kept: list[Path] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def anchor(self) -> Path:
        return self.folder / "anchors" / "anchor"

    def prepare(self, **change: object) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.anchor.parent.mkdir(exist_ok=True)
        (self.data / setup.INIT_FILE).write_text(json.dumps(init_request(**change)))

    def init(self) -> str:
        """Its identity."""
        self.prepare()
        return str(json.loads(setup.init(self.data, self.anchor, SEALING))["identity"])

    def open(self) -> Opened:
        return open_state(self.data, self.anchor, SEALING)

    def live(self, *keys: str) -> None:
        """Starts, commits each key, stops cleanly."""
        opened = self.open()
        for key in keys:
            commit(opened, key)
        opened.engine.stop()

    def keep(self) -> Path:
        """A copy of both folders as they are at this moment, running or not."""
        copy = self.folder / f"kept-{len(self.kept)}"
        for part in ("data", "anchors"):
            shutil.copytree(self.folder / part, copy / part)
        self.kept.append(copy)
        return copy

    def put_back(self, copy: Path, *parts: str) -> None:
        for part in parts or ("data", "anchors"):
            shutil.rmtree(self.folder / part)
            shutil.copytree(copy / part, self.folder / part)

    def approve(self, statement: dict[str, Any], *names: str, payload_type: str = RESTORE_TYPE) -> None:
        envelope = dsse.sign_envelope(payload_type, statement, [private_key(name) for name in names])
        (self.data / setup.RESTORE_FILE).write_bytes(canonical.encode(envelope.to_object()))

    def restore(self, now: datetime | None = None) -> dict[str, Any]:
        done: dict[str, Any] = json.loads(setup.restore(self.data, self.anchor, SEALING, now or datetime.now(UTC)))
        return done


def commit(opened: Opened, key: str) -> None:
    result = opened.engine.apply([Transaction([], [Put(key, key.encode())], AuditEntry("test", {"key": key}))])
    assert isinstance(result[0], int)


def statement(identity: str, report: str, **change: object) -> dict[str, Any]:
    """What the board signs about what a refusing custodian printed; a change to None takes a field away."""
    made = {
        "casemate_restore": 1,
        "custodian": identity,
        **json.loads(report),
        "reason": "disk replaced, backup of 02:00",
        "expires": format_time(datetime.now(UTC) + timedelta(hours=1)),
        **change,
    }
    return {name: value for name, value in made.items() if value is not None}


@dataclass
class House:
    platform: pki.SimulatedPlatform
    installation: Installation

    def run(self, command: str, *options: str, manifest: bytes = MANIFEST) -> Process:
        return Process(self.platform, self.installation.folder, command, *options, manifest=manifest)

    def serve(self, port: int = 0, workers: int = 1, tls_port: int = 0) -> Process:
        return self.run("serve", f"--port={port}", f"--workers={workers}", f"--tls-port={tls_port}")

    def sealing_key(self) -> bytes:
        with ShieldSide(self.platform, measurement=MEASUREMENT, manifest=MANIFEST) as side:
            return side.sealing_key()

    def stopped_cleanly(self) -> bool:
        master = open_master(self.installation.data, self.sealing_key())
        with closing(FileAnchor(self.installation.anchor, master)) as anchor:
            return anchor.stopped_cleanly


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.fixture
def identity(installation: Installation) -> str:
    """The installation is a custodian's."""
    return installation.init()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    return pki.create(tmp_path_factory.mktemp("chip") / "platform")


@pytest.fixture
def house(platform: pki.SimulatedPlatform, installation: Installation) -> House:
    return House(platform, installation)


@pytest.fixture
def genesis(house: House) -> CustodianGenesis:
    """The house is a custodian's."""
    house.installation.prepare(simulation_root=house.platform.root_fingerprint)
    made = setup.init(house.installation.data, house.installation.anchor, house.sealing_key())
    return genesis_in(made)


def genesis_in(line: str) -> CustodianGenesis:
    record = b64u_decode(json.loads(line)["genesis"])
    return canonical.parse_model(CustodianGenesis, canonical.decode_canonical(record), what="genesis")
