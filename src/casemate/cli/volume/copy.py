from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note
from casemate.cli._progress import bar
from casemate.cli.volume._new import Size, capacity_of, make_key
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
    files,
    place,
)
from casemate.errors import UsageError
from casemate.volume import tool

_ToKeyFile = Annotated[Path | None, typer.Option("--to-key-file", help="The copy's own key; made where there is none.")]
_ToAnchor = Annotated[str | None, typer.Option("--to-anchor", help="file:PATH remembers the copy's newest state.")]
_Snapshot = Annotated[
    str | None, typer.Option("--snapshot", help="Copy this snapshot, and keep it in the copy; else what is now.")
]
_Since = Annotated[
    str | None, typer.Option("--since", help="The snapshot that the copy has: send only what changed since.")
]
_ToPolicy = Annotated[
    str | None, typer.Option("--to-policy", help="Have the copy's key and state from this policy's custodian.")
]
_ToVolume = Annotated[str | None, typer.Option("--to-volume", help="The copy's name in that policy.")]
_ToCustodian = Annotated[str | None, typer.Option("--to-custodian", help="The copy's custodian, as --custodian.")]


def copy(
    source: Folder,
    target: Annotated[Path, typer.Argument(help="The copy's folder. It is made, or it has an earlier copy.")],
    key_file: KeyFile = None,
    anchor: Anchor = None,
    to_key_file: _ToKeyFile = None,
    to_anchor: _ToAnchor = None,
    snapshot: _Snapshot = None,
    since: _Since = None,
    size: Size = None,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    policy: Policy = None,
    volume: Name = None,
    to_policy: _ToPolicy = None,
    to_volume: _ToVolume = None,
    custodian: Custodian = None,
    to_custodian: _ToCustodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Copy a sealed volume into another folder, under another key and another anchor.

    Everything is read, verified and sealed anew. A copy of a snapshot can be brought up to date again and again: with
    `--since`, only what changed is read and sent. What was interrupted goes on when the same command is run again;
    until then nothing shows the copy but as its earlier snapshots. The source may be mounted meanwhile.

    Example: `casemate volume copy V W --key-file K --anchor file:A --to-key-file L --to-anchor file:B
    --snapshot monday`, and a day later the same with `--snapshot tuesday --since monday`
    """
    if source.resolve() == target.resolve():
        raise UsageError("source and target are one folder", remedy="name another target")
    capacity = capacity_of(size)
    lender = Lender(to_policy, to_volume, to_custodian, None if to_policy is None else who, what="copy", prefix="--to-")
    files(to_key_file, to_anchor, lender)
    from_place = place(source, key_file, anchor, durability, Lender(policy, volume, custodian, who), "read")
    make_key(to_key_file, to_anchor, lender, quiet=as_json)
    request = {
        "command": "copy",
        "volume": from_place,
        "freshness": freshness.value,
        "target": place(target, to_key_file, to_anchor, durability, lender, "write"),
        "snapshot": snapshot,
        "since": since,
        "capacity": capacity,
    }
    with bar("copying", quiet=as_json) as listener:
        copied = tool.ask(binary(), request, listener)
    shown = copied if as_json else {name: value for name, value in copied.items() if value is not None}
    emit({**shown, "folder": str(target)}, as_json=as_json)
    if snapshot is None and not as_json:
        note("No snapshot is what was copied: to bring a copy up to date with --since, copy one with --snapshot.")
