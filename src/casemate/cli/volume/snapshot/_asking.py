"""Who is asked about snapshots: the volume itself, or the process that serves a mount of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli.volume import _mounts
from casemate.cli.volume._place import binary
from casemate.volume import tool

__all__ = ["SnapshotName", "Where", "ask"]

SnapshotName = Annotated[str, typer.Argument(help="The snapshot's name: as a file's name, up to 255 bytes.")]
Where = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER|MOUNTPOINT",
        help="The volume's folder; or where it is mounted: then no key is asked.",
        readable=False,
    ),
]


def ask(where: Path, action: str, unmounted: Callable[[], dict[str, Any]], **asked: str) -> dict[str, Any]:
    """What the process that serves a mount at `where` answers; where this user has mounted nothing there, what is said
    of the volume that `unmounted` describes, which is not called before.

    Errors: as `casemate.volume.tool.ask`, and those of `unmounted`.
    """
    mount = _mounts.find(where)
    if mount.state.exists():
        request = {
            "command": "snapshot-mounted",
            "mountpoint": str(mount.mountpoint),
            "state": str(mount.state),
            "asked": {"action": action, **asked},
        }
    else:
        request = {"command": f"snapshot-{action}", **unmounted(), **asked}
    return tool.ask(binary(), request)
