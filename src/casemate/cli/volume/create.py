from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, progress
from casemate.cli.volume._new import Size, capacity_of, make_key
from casemate.cli.volume._place import Anchor, Durability, Folder, KeyFile, Lasting, Lender, Name, Policy, binary, place
from casemate.volume import tool


class _Roots(StrEnum):
    """What the volume's root binds."""

    tag = "tag"
    hash = "hash"


def create(
    folder: Folder,
    key_file: KeyFile = None,
    anchor: Anchor = None,
    roots: Annotated[
        _Roots, typer.Option("--root", help="hash: also binds those who have the key. tag: faster.")
    ] = _Roots.tag,
    size: Size = None,
    durability: Lasting = Durability.durable,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Make a sealed volume: an encrypted file system that notices every change and every rollback.

    The key file is made where there is none. Example: `casemate volume create V --key-file K --anchor file:A`
    """
    capacity = capacity_of(size)
    lender = Lender(policy, volume, custodian, who)
    make_key(key_file, anchor, lender, quiet=as_json)
    request = {
        "command": "create",
        "volume": place(folder, key_file, anchor, durability, lender, "write"),
        "roots": roots.value,
        "capacity": capacity,
        "log": None,
    }
    with progress("writing the log", quiet=as_json):
        made = tool.ask(binary(), request)
    emit({**made, "folder": str(folder)}, as_json=as_json)
