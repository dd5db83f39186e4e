"""A volume of a policy, and people who have it by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import Policy


@dataclass
class Hand:
    """The volume `records` of a policy, and people who mount it by hand. `files` is the host's folder."""

    policy: Policy
    files: Path
    mountpoint: Path

    def options(self, who: str, volume: str = "records") -> list[str]:
        return ["--policy", self.policy.name, "--volume", volume, "--as", who]

    def ask(self, command: str, *arguments: object, who: str = "alice") -> dict[str, Any]:
        return self.policy.stage.ask("volume", command, *map(str, arguments), *self.options(who))

    def refused(self, command: str, *arguments: object, who: str = "alice") -> dict[str, Any]:
        result = self.policy.stage.cli("volume", command, *map(str, arguments), *self.options(who), "--json")
        assert result.status != 0, result.output
        error: dict[str, Any] = json.loads(result.output)["error"]
        return error

    def snapshot(self, name: str) -> None:
        made = self.policy.stage.cli("volume", "snapshot", "create", self.files, name, *self.options("alice"))
        assert made.status == 0, made.errors

    @contextlib.contextmanager
    def mounted(self, *more: str, who: str = "alice") -> Iterator[dict[str, Any]]:
        self.mountpoint.mkdir(exist_ok=True)
        yield self.ask("mount", self.files, self.mountpoint, *more, who=who)
        self.policy.stage.ask("volume", "unmount", str(self.mountpoint))

    def at(self) -> str:
        return f"--volume=/data={self.files}"
