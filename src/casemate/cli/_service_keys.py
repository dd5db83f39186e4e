"""Keys that this user keeps, one for each service of each policy, in a folder of each kind below `$CASEMATE_HOME`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from casemate.cli._home import home
from casemate.cli._output import note
from casemate.wire.manifest import PolicyBinding

__all__ = ["ServiceKeys"]


@dataclass(frozen=True)
class ServiceKeys:
    """Of one kind. `warning` is what a person should know who has just got one."""

    folder: str
    create: Callable[[Path], None]
    load: Callable[[Path], str]
    warning: str

    def made_or_kept(self, given: Path | None, binding: PolicyBinding, *, quiet: bool) -> tuple[str, Path]:
        """The service's key as base64url, and where it is; made the first time. Errors: UsageError."""
        path = given or self.own(binding)
        if not path.exists():
            if given is None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.create(path)
            if not quiet:
                note(self.warning.format(path))
        return self.load(path), path

    def kept(self, given: Path | None, binding: PolicyBinding | None) -> Path | None:
        """Where the key is, if there is one."""
        own = None if binding is None else self.own(binding)
        return given or (own if own is not None and own.exists() else None)

    def own(self, binding: PolicyBinding) -> Path:
        """By the policy's genesis: another policy of the same name has other keys."""
        policy = binding.genesis.removeprefix("sha256:")[:32]
        return home() / self.folder / f"{policy}-{binding.service}.key"
