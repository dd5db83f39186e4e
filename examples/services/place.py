"""Where the examples play: a platform, the owner's custodian, her engine for ordinary images; a registry and the host,
whose owner is the attacker.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from casemate.testing.engine import Engine, engine
from casemate.testing.registry import Registry, registry
from casemate.testing.stage import Stage, free_port

__all__ = ["Place", "place"]

_OVERLAY = "overlay"
_SECONDS, _PATIENCE = 180, "120"
"""Images are built and sealed beside this: commands may wait for the processor."""


@dataclass
class Place:
    """`owner` builds ordinary images and runs clients; `host` and `registry` are not trusted."""

    stage: Stage
    registry: Registry
    owner: Engine
    host: Engine
    port: int = field(default_factory=free_port)
    keys: dict[str, str] = field(default_factory=dict)
    """Of alice, who owns the policies, bob, and mallory, whom no policy knows."""
    custodian: subprocess.Popen[bytes] | None = None
    other: str = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> Path:
        """By which containers join the platform."""
        return self.stage.folder / "containers.sock"

    def serve(self) -> None:
        """Starts the custodian and waits for a genuine answer."""
        self.custodian = self.stage.start("custodian", "custodian", "serve", "main")
        self.stage.ask("custodian", "status", "--custodian", "main", "--wait", _PATIENCE, seconds=_SECONDS)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without the custodian while the block lasts."""
        if self.custodian is not None:
            self.stage.stop(self.custodian)
        try:
            yield
        finally:
            self.serve()

    def somebody_elses(self) -> str:
        """The address of mallory's custodian, which is started where nobody asked before."""
        if not self.other:
            self.other = f"http://127.0.0.1:{free_port()}"
            _custodian(self.stage, "other", "mallory", self.other)
            self.stage.start("other", "custodian", "serve", "other", "--workers", "1")
            self.stage.ask("custodian", "status", "--custodian", "other", "--wait", _PATIENCE, seconds=_SECONDS)
        return self.other


@contextmanager
def place() -> Iterator[Place]:
    with (
        Stage() as stage,
        registry(stage.folder / "registry") as shelf,
        engine(stage.folder / "owner", _OVERLAY) as owner,
        engine(stage.folder / "host", _OVERLAY) as host,
    ):
        made = Place(stage, shelf, owner, host)
        stage.ask("platform", "init")
        stage.start("platform", "platform", "simulate", "--containers", made.door)
        stage.ask("platform", "show", "--wait", "50")
        for name in ("alice", "bob", "mallory"):
            made.keys[name] = stage.ask("identity", "create", name)["key"]
        _custodian(stage, "main", "alice", made.address)
        made.serve()
        yield made


def _custodian(stage: Stage, name: str, board: str, url: str) -> None:
    folders = {kind: stage.folder / f"{name}-{kind}" for kind in ("data", "anchor")}
    stage.ask(
        "custodian", "init", name, "--data", folders["data"], "--anchor", folders["anchor"], "--board", board,
        "--url", url, seconds=_SECONDS,
    )  # fmt: skip
