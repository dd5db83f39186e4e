"""The options that say which volume: its folder, its key, its anchor."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli.volume._lent import Lender, Name, Policy
from casemate.errors import UsageError
from casemate.volume import key
from casemate.volume.anchor import file_of
from casemate.volume.tool import PROGRAM
from casemate.wire.fields import LoanMode

__all__ = [
    "Anchor",
    "Durability",
    "Folder",
    "Fresh",
    "Freshness",
    "KeyFile",
    "Lasting",
    "Lender",
    "Name",
    "Policy",
    "binary",
    "files",
    "place",
    "unanchored",
]


class Durability(StrEnum):
    """When an update of the anchor's file reaches the disk."""

    lazy = "lazy"
    durable = "durable"


class Freshness(StrEnum):
    """When the anchor follows what an fsync made durable."""

    strict = "strict"
    interval = "interval"
    none = "none"


Folder = Annotated[Path, typer.Argument(help="The volume's folder: everything in it may be in an attacker's hands.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="The volume's key. Keep it where the attacker is not.")
]
Anchor = Annotated[
    str | None,
    typer.Option("--anchor", help="file:PATH remembers the newest state. Keep it where the attacker is not."),
]
Lasting = Annotated[
    Durability, typer.Option("--durability", help="Of the anchor's file: lazy survives kill -9, durable a power loss.")
]
Fresh = Annotated[
    Freshness,
    typer.Option(
        "--freshness",
        help="strict: before an fsync returns. interval: soon after. none: never. With --policy, it says.",
    ),
]


def place(
    folder: Path,
    key_file: Path | None,
    anchor: str | None,
    durability: Durability,
    lender: Lender = Lender(),
    mode: LoanMode = "read",
) -> dict[str, Any]:
    """The volume, as crates/volume-tool wants it: with key and anchor in files, or lent by a policy's custodian."""
    named = files(key_file, anchor, lender)
    if named is None:
        return lender.lend(folder, mode)
    return {
        "folder": str(folder.absolute()),
        "key": key.load(named[0]),
        "anchor": {"file": str(file_of(named[1])), "durability": durability.value},
    }


def files(key_file: Path | None, anchor: str | None, lender: Lender) -> tuple[Path, str] | None:
    """The files of key and anchor; None where a custodian has both. Errors: UsageError where neither is said."""
    if _is_lent(key_file, anchor, lender):
        return None
    if key_file is None or anchor is None:
        raise UsageError(f"where are the {lender.what}'s key and anchor?", remedy=lender.choice)
    return key_file, anchor


def unanchored(folder: Path, key_file: Path | None, lender: Lender = Lender()) -> dict[str, Any]:
    """The volume where nobody asks its anchor."""
    if _is_lent(key_file, None, lender):
        return lender.lend(folder, "read", anchored=False)
    if key_file is None:
        raise UsageError("where is the volume's key?", remedy=lender.choice)
    return {"folder": str(folder.absolute()), "key": key.load(key_file), "anchor": None}


def _is_lent(key_file: Path | None, anchor: str | None, lender: Lender) -> bool:
    """One way or the other: nobody should believe that the custodian looks after a volume whose key is in a file."""
    if lender == Lender():
        return False
    if key_file is not None or anchor is not None:
        raise UsageError("a key or an anchor in a file, and a policy", remedy=lender.choice)
    return True


def binary() -> Path:
    """The program, beside this interpreter or on PATH."""
    return PROGRAM.installed()
