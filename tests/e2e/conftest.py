"""One real installation for all of these tests: agent, custodian and shield as processes, the command line as users
have it. Tests make policies of their own on it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from casemate.client import identities, pins
from casemate.client.custodian import CustodianClient
from casemate.testing.stage import Result, Stage, free_port, wait_for

BUSYBOX = "/usr/bin/busybox"
USER = "1000:1000"
_NAMES = itertools.count(1)


@dataclass
class Installation:
    """A platform and the custodian `main`; alice and bob own policies, mallory owns nothing."""

    stage: Stage
    runtime: str
    container_runtime: str
    keys: dict[str, str]
    custodian: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=free_port)

    @property
    def data(self) -> Path:
        return self.stage.folder / "custodian"

    @property
    def anchor(self) -> Path:
        return self.stage.folder / "anchor"

    @property
    def agent(self) -> Path:
        return self.stage.home / "platform" / "agent.sock"

    @property
    def door(self) -> Path:
        """By which containers join the platform."""
        return self.stage.folder / "containers.sock"

    def serve(self) -> None:
        """Starts the custodian and waits for a genuine answer."""
        self.custodian = self.stage.start("custodian", "custodian", "serve", "main")
        self.stage.ask("custodian", "status", "--custodian", "main", "--wait", "50")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.custodian is not None
        return self.stage.stop(self.custodian, number)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without the custodian while the block lasts."""
        self.stop()
        try:
            yield
        finally:
            self.serve()

    def client(self, name: str = "alice") -> CustodianClient:
        pin = pins.load(self.stage.home / "custodians", "main")
        return CustodianClient(pin.url, pin.genesis, identities.load(self.stage.home / "identities", name).key)

    def policy(self, *owners: str, approvals: int = 1, simulated: bool = True) -> Policy:
        """A new policy, for the simulated platforms or for real ones; nothing is submitted yet."""
        name = f"{'e2e' if simulated else 'real'}/p{next(_NAMES)}"
        kind = ["--insecure-simulation"] if simulated else []
        who = [text for owner in owners or ("alice",) for text in ("--owner", owner)]
        path = self.stage.folder / f"{name.replace('/', '-')}.yaml"
        made = self.stage.ask(
            "policy", "init", name, *who, "--approvals", str(approvals), *kind, "--output", path,
            "--custodian", "main",
        )  # fmt: skip
        members = owners or ("alice",)
        document = {
            "casemate": 1,
            "policy": name,
            "genesis": made["genesis"],
            "principals": {owner: {"key": self.keys[owner]} for owner in members},
            "access": {"read": {"any": list(members)}, "update": {"at_least": approvals, "of": list(members)}},
            "services": {},
        }
        return Policy(self, name, made["genesis"], path, document)


@dataclass
class Policy:
    """A policy file that tests write: JSON, which is YAML."""

    installation: Installation
    name: str
    genesis: str
    path: Path
    document: dict[str, Any]

    @property
    def stage(self) -> Stage:
        return self.installation.stage

    def build(self, service: str, *command: str, options: Sequence[str] = (), **more: Any) -> str:
        """A manifest of `command`, and a service that admits it. `more` are further fields of the service."""
        made = self.stage.ask(
            "manifest", "build", "--policy", f"{self.name}#{service}", "--user", USER, *options, "--", *command
        )
        self.document["services"][service] = {
            "workload": {"manifest": made["manifest"]},
            "runtime": {"measurement": self.installation.runtime},
            "platforms": ["simulated"],
            **more,
        }
        return str(made["manifest"])

    def shell(self, service: str = "sh", options: Sequence[str] = (), **more: Any) -> str:
        """A service whose script the host chooses (`run`)."""
        hole = ("--hole", "host:script=.*")
        return self.build(service, BUSYBOX, "sh", "-c", "{{ hole.script }}", options=(*hole, *options), **more)

    def write(self) -> Path:
        self.path.write_text(json.dumps(self.document, indent=1))
        return self.path

    def submit(self, *options: str, who: Sequence[str] = ("alice",)) -> dict[str, Any]:
        signers = [text for name in who for text in ("--as", name)]
        return self.stage.ask("policy", "submit", self.write(), "--on-top", *signers, *options)

    def try_to_submit(self, *options: str, who: Sequence[str] = ("alice",)) -> dict[str, Any]:
        """The error of a submission that must not succeed."""
        signers = [text for name in who for text in ("--as", name)]
        result = self.stage.cli("policy", "submit", "--json", self.write(), "--on-top", *signers, *options)
        assert result.status != 0, result.output
        error: dict[str, Any] = json.loads(result.output)["error"]
        return error

    def run(self, script: str, *options: str, service: str = "sh", **how: Any) -> Result:
        return self.stage.cli("run", f"{self.name}#{service}", "--hole", f"script={script}", *options, **how)

    def start(self, script: str, *options: str, service: str = "sh", log: str | None = None) -> Running:
        name = log or f"{self.name.replace('/', '-')}-{next(_NAMES)}"
        command = ("run", f"{self.name}#{service}", "--hole", f"script={script}", *options)
        return Running(self.stage, name, self.stage.start(name, *command))


@dataclass
class Running:
    """A workload in the background, and what it writes."""

    stage: Stage
    log: str
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return self.stage.log(self.log)

    def says(self, text: str) -> None:
        wait_for(f"{text!r} of {self.log}", lambda: text in self.output or self._ended(), seconds=50)
        assert text in self.output, self.output

    def end(self, number: int | None = None) -> int:
        """Its exit status, after a signal if one is given."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(timeout=50)

    def _ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    with Stage() as stage:
        stage.ask("platform", "init")
        stage.start("platform", "platform", "simulate", "--containers", stage.folder / "containers.sock")
        shown = stage.ask("platform", "show", "--wait", "50")
        keys = {name: stage.ask("identity", "create", name)["key"] for name in ("alice", "bob", "mallory")}
        made = Installation(stage, shown["runtime_measurement"], shown["container_runtime_measurement"], keys)
        stage.ask(
            "custodian", "init", "main", "--data", made.data, "--anchor", made.anchor, "--board", "alice",
            "--url", f"http://127.0.0.1:{made.port}",
        )  # fmt: skip
        made.serve()
        yield made


@pytest.fixture(scope="module")
def shell(installation: Installation) -> Policy:
    """A policy with one service that runs whatever script a test gives it, and has a few secrets."""
    policy = installation.policy()
    policy.document["secrets"] = {
        "password": {"kind": "random", "bytes": 24, "encoding": "base64url"},
        "ca": {"kind": "x509-ca", "common_name": "e2e CA"},
        "tls": {"kind": "x509", "issuer": "ca", "common_name": "api", "dns": ["localhost"], "valid_for": "30d"},
    }
    names = ("password", "key.pem", "chain.pem", "ca.pem")
    policy.shell(
        options=[
            *(f"--file=/run/secrets/{name}" for name in names),
            "--env=PASSWORD={{ hole.PASSWORD }}",
            "--env=FIXED=as measured",
            "--hole=PASSWORD=[A-Za-z0-9_-]+",
            "--writable=/tmp",
        ],
        environment={"PASSWORD": "{{ secret.password }}"},
        files={
            "/run/secrets/password": {"content": "{{ secret.password }}", "mode": "0400"},
            "/run/secrets/key.pem": {"content": "{{ secret.tls.private_key }}", "mode": "0400"},
            "/run/secrets/chain.pem": {"content": "{{ secret.tls.chain }}", "mode": "0444"},
            "/run/secrets/ca.pem": {"content": "{{ secret.ca.certificate }}", "mode": "0444"},
        },
    )
    policy.submit()
    return policy


@contextmanager
def other_custodian(installation: Installation, *options: str) -> Iterator[str]:
    """Mallory's custodian, `other`, at the address that this gives, served with `options`; afterwards nobody knows it
    any more.
    """
    stage, url = installation.stage, f"http://127.0.0.1:{free_port()}"
    folders = {name: stage.folder / f"other-{name}" for name in ("data", "anchor")}
    stage.ask(
        "custodian", "init", "other", "--data", folders["data"], "--anchor", folders["anchor"], "--board", "mallory",
        "--url", url,
    )  # fmt: skip
    process = stage.start("other", "custodian", "serve", "other", "--workers", "1", *options)
    try:
        stage.ask("custodian", "status", "--custodian", "other", "--wait", "50")
        yield url
    finally:
        stage.stop(process)
        for kept in ("custodians", "custodian-hosts"):
            (stage.home / kept / "other.json").unlink()
        for folder in folders.values():
            shutil.rmtree(folder)
