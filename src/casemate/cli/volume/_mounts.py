"""What this user mounted: a state file and a log for each mountpoint."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from casemate.cli._home import home
from casemate.errors import UsageError, VolumeMissingError

__all__ = ["Mount", "find"]


@dataclass(frozen=True)
class Mount:
    """`mountpoint` has no links; `state` is locked by the process that serves it."""

    mountpoint: Path
    state: Path
    log: Path

    def check(self) -> None:
        """Refuses a mountpoint that cannot be one, with the cure."""
        try:
            mode = self.mountpoint.stat().st_mode
            os.statvfs(self.mountpoint)  # the kernel answers the other from memory, whoever is gone
        except OSError as error:
            if error.errno in {errno.ENOTCONN, errno.ECONNABORTED}:
                raise UsageError(
                    f"{self.mountpoint}: the process that served a mount there was killed",
                    remedy=f"casemate volume unmount {self.mountpoint}",
                ) from error
            raise UsageError(f"{self.mountpoint}: {error.strerror}", remedy="make the directory first") from error
        if not stat.S_ISDIR(mode):
            raise UsageError(f"{self.mountpoint} is not a directory")

    def must_be_known(self) -> None:
        """Refuses what this user has not mounted."""
        if not self.state.exists():
            raise VolumeMissingError(
                f"no sealed volume of this user is mounted at {self.mountpoint}",
                remedy="name the mountpoint, as the user who mounted it and with the same CASEMATE_HOME",
            )


def find(mountpoint: Path) -> Mount:
    """Where the state of a mount at `mountpoint` is."""
    real = mountpoint.resolve()
    folder = home() / "mounts"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    return Mount(real, folder / f"{name}.state", folder / f"{name}.log")
