"""The command line in this process, with a home of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.core import TyperGroup

from casemate.cli._ending import run_to_end
from casemate.cli.main import app
from casemate.client import identities, pins
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_encode


@dataclass(frozen=True)
class Said:
    status: int
    output: str
    errors: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object that it printed, and nothing else."""
        value: dict[str, Any] = json.loads(self.output)
        assert self.errors == ""
        return value


Casemate = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$CASEMATE_HOME`, and the working directory beside it."""
    for name in ("CASEMATE_CUSTODIAN", "CASEMATE_IDENTITY", "CASEMATE_AGENT", "CASEMATE_SHIELD", "CASEMATE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def casemate(home: Path, capfd: pytest.CaptureFixture[str]) -> Casemate:
    def run(*arguments: str | Path) -> Said:
        command, words = typer.main.get_command(app), [str(argument) for argument in arguments]
        capfd.readouterr()
        try:
            status = run_to_end(lambda: command.main(words, prog_name="casemate", standalone_mode=False), words)
        except SystemExit as ended:  # of `--help` and completion
            status = int(ended.code or 0)
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return run


@pytest.fixture
def alice(home: Path) -> identities.Identity:
    return identities.create(home / "identities", "alice")


@pytest.fixture
def main_custodian(home: Path) -> pins.Pin:
    return pin(home, "main")


def pin(home: Path, name: str, genesis: CustodianGenesis | None = None) -> pins.Pin:
    """A pinned custodian that nobody runs."""
    key = signing_key_text(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    genesis = genesis or CustodianGenesis.model_validate(
        {
            "casemate_custodian": 1,
            "name": name,
            "board": {"principals": {"it": {"key": key}}, "rule": {"any": ["it"]}},
            "identity_key": key,
            "random": b64u_encode(bytes(32)),
        }
    )
    made = pins.Pin(
        name=name,
        url="http://127.0.0.1:9",
        genesis=genesis,
        runtime="sha384:" + "0" * 96,
        manifest="sha256:" + "0" * 64,
        platform="simulated",
    )
    pins.save(home / "custodians", made)
    return made


def commands() -> list[tuple[str, ...]]:
    """Every command, by its words."""

    def walk(group: TyperGroup, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            if isinstance(command, TyperGroup):
                yield from walk(command, (*words, name))
            else:
                yield (*words, name)

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return list(walk(group, ()))
