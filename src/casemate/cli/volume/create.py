from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note, progress
from casemate.cli.volume._place import Anchor, Durability, Folder, KeyFile, Lasting, Lender, Name, Policy, binary, place
from casemate.errors import UsageError
from casemate.volume import key, tool

_SIZE: Final = re.compile(r"([1-9][0-9]{0,14})([KMGT]?)(iB)?")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_BLOCK: Final = 4096


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
    size: Annotated[
        str | None, typer.Option("--size", help="Most bytes, as 20G; what the host has free, if not given.")
    ] = None,
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
    capacity = None if size is None else _bytes(size)
    lender = Lender(policy, volume, custodian, who)
    if lender == Lender() and anchor is not None and key_file is not None and not key_file.exists():
        key.create(key_file)
        if not as_json:
            note(f"made a key: {key_file}. Without it the volume is lost: keep a copy in a safe place.")
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


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text} is no size", expected="a number with K, M, G or T, as 20G")
    return int(found[1]) * _UNITS[found[2]] // _BLOCK * _BLOCK
