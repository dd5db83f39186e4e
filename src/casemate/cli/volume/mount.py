from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note
from casemate.cli.volume import _mounts
from casemate.cli.volume._place import (
    Anchor,
    Durability,
    Folder,
    Fresh,
    Freshness,
    KeyFile,
    Lasting,
    Lender,
    Name,
    Policy,
    binary,
    place,
)
from casemate.errors import VolumeError
from casemate.volume import tool
from casemate.wire.fields import LoanMode


def mount(
    folder: Folder,
    mountpoint: Annotated[Path, typer.Argument(help="A directory to mount it at.", readable=False)],
    key_file: KeyFile = None,
    anchor: Anchor = None,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    read_only: Annotated[bool, typer.Option("--read-only", help="Read what the anchor has, beside a writer.")] = False,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="Show this snapshot, read-only, instead of the newest state.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="For every user of this machine, as permissions say.")
    ] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until it is unmounted.")] = False,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Mount a sealed volume; it is usable when this returns.

    Example: `casemate volume mount V M --key-file K --anchor file:A`
    """
    where = _mounts.find(mountpoint)
    where.check()
    lender = Lender(policy, volume, custodian, who)
    mode: LoanMode = "read" if read_only or snapshot is not None else "write"
    request = {
        "command": "mount",
        "volume": place(folder, key_file, anchor, durability, lender, mode),
        "mountpoint": str(where.mountpoint),
        "freshness": freshness.value,
        "read_only": read_only,
        "snapshot": snapshot,
        "shared": shared,
        "state": str(where.state),
    }
    if foreground:
        _stay(request, as_json=as_json)
    else:
        emit(_detach(request, where), as_json=as_json)


def _detach(request: dict[str, Any], where: _mounts.Mount) -> dict[str, Any]:
    """Starts the process that serves the mount, and lets go of it once the mount is usable."""
    with where.log.open("wb") as log:
        process = tool.start(binary(), request, stderr=log, new_session=True)
    first = process.stdout.readline() if process.stdout else b""
    mounted = tool.result(first)
    return {"mounted": mounted["mounted"], "pid": mounted["pid"], "log": str(where.log)}


def _stay(request: dict[str, Any], *, as_json: bool) -> None:
    process = tool.start(binary(), request, stderr=None)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    lines = process.stdout
    if lines is None:
        raise VolumeError("the volume's program says nothing")
    mounted = tool.result(lines.readline())
    emit({"mounted": mounted["mounted"], "pid": mounted["pid"]}, as_json=as_json)
    if not as_json:
        note("Ctrl-C unmounts.")
    last = _wait(process)
    ended = tool.result(last)
    if not as_json:
        note(f"unmounted: {ended.get('unmounted')}")


def _wait(process: subprocess.Popen[bytes]) -> bytes:
    """The last line. The terminal sends its signals to the process as well."""
    while True:
        try:
            return process.communicate()[0]
        except KeyboardInterrupt:
            continue
