"""Who is asked about snapshots: the volume itself, or the process that serves a mount of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli.volume import _mounts
from casemate.cli.volume._place import binary
from casemate.volume import tool

__all__ = ["Where", "mounted"]

Where = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER|MOUNTPOINT",
        help="The volume's folder; or where it is mounted: then no key is asked.",
        readable=False,
    ),
]


def mounted(where: Path, action: str, name: str | None = None) -> dict[str, Any] | None:
    """What the process that serves a mount at `where` answers; None where this user has mounted nothing there.

    Errors: as `casemate.volume.tool.ask`.
    """
    mount = _mounts.find(where)
    if not mount.state.exists():
        return None
    asked = {"action": action} | ({} if name is None else {"name": name})
    request = {
        "command": "snapshot-mounted",
        "mountpoint": str(mount.mountpoint),
        "state": str(mount.state),
        "asked": asked,
    }
    return tool.ask(binary(), request)
