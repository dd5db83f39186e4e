"""What commands that make a volume have in common: how large it is, and a key for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli._output import note
from casemate.cli.volume._lent import Lender
from casemate.errors import UsageError
from casemate.volume import key

__all__ = ["Size", "capacity_of", "make_key"]

_SIZE: Final = re.compile(r"([1-9][0-9]{0,14})([KMGT]?)(iB)?")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_BLOCK: Final = 4096

Size = Annotated[str | None, typer.Option("--size", help="Most bytes, as 20G; what the host has free, if not given.")]


def capacity_of(size: str | None) -> int | None:
    """Bytes, in whole blocks."""
    if size is None:
        return None
    found = _SIZE.fullmatch(size)
    if found is None:
        raise UsageError(f"{size} is no size", expected="a number with K, M, G or T, as 20G")
    return int(found[1]) * _UNITS[found[2]] // _BLOCK * _BLOCK


def make_key(key_file: Path | None, anchor: str | None, lender: Lender, *, quiet: bool) -> None:
    """Makes the key file of a volume whose key and anchor are in files, where there is none."""
    if lender == Lender() and anchor is not None and key_file is not None and not key_file.exists():
        key.create(key_file)
        if not quiet:
            note(f"made a key: {key_file}. Without it the volume is lost: keep a copy in a safe place.")
