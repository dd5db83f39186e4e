from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit, progress
from casemate.cli.volume import _mounts
from casemate.cli.volume._place import binary
from casemate.volume import tool


def unmount(
    mountpoint: Annotated[Path, typer.Argument(help="Where the volume is mounted.", readable=False)],
    as_json: Json = False,
) -> None:
    """Unmount a sealed volume; everything is durable and anchored when this returns.

    Example: `casemate volume unmount M`
    """
    where = _mounts.find(mountpoint)
    where.must_be_known()
    request = {"command": "unmount", "mountpoint": str(where.mountpoint), "state": str(where.state)}
    with progress("waiting for the last of it", quiet=as_json):
        ended = tool.ask(binary(), request)
    emit(ended, as_json=as_json)
