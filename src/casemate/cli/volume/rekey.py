from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note
from casemate.cli._progress import bar
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
from casemate.errors import UsageError
from casemate.volume import key, tool


def rekey(
    folder: Folder,
    key_file: KeyFile = None,
    anchor: Anchor = None,
    new_key_file: Annotated[
        Path | None, typer.Option("--new-key-file", help="The key that the volume gets; made where there is none.")
    ] = None,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Write an unmounted sealed volume anew under another key, snapshots included; the old key then opens nothing.

    Needs room for a second copy. If it is interrupted, the same command begins again, or does what is left.
    With --policy, the custodian makes the key, for whom `people: {rekey: …}` names.

    Example: `casemate volume rekey V --key-file K --anchor file:A --new-key-file K2`
    """
    lender = Lender(policy, volume, custodian, who)
    if lender != Lender() and new_key_file is not None:
        raise UsageError("a file for the new key, and a policy", remedy="leave it out: the custodian makes the key")
    described = place(folder, key_file, anchor, durability, lender, "rekey")
    next_key = None if lender != Lender() else _new_key(new_key_file, quiet=as_json)
    request = {"command": "rekey", "volume": described, "freshness": freshness.value, "next_key": next_key}
    with bar("rekeying", quiet=as_json) as listener:
        rekeyed = tool.ask(binary(), request, listener)
    emit(rekeyed, as_json=as_json)
    if key_file is not None and not as_json:
        note(f"{key_file} opens nothing of this volume any more, only copies that somebody made before: delete it.")


def _new_key(file: Path | None, *, quiet: bool) -> str:
    if file is None:
        raise UsageError("which key does the volume get?", remedy="name its file with --new-key-file")
    if not file.exists():
        key.create(file)
        if not quiet:
            note(f"made a key: {file}. Without it the volume will be lost: keep a copy in a safe place.")
    return key.load(file)
