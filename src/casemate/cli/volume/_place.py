"""The options that say which volume: its folder, its key, its anchor."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.errors import PlatformError
from casemate.volume import key
from casemate.volume.anchor import file_of

__all__ = [
    "Anchor",
    "Durability",
    "Folder",
    "Fresh",
    "Freshness",
    "KeyFile",
    "Lasting",
    "binary",
    "place",
    "unanchored",
]

BINARY_NAME: Final = "casemate-volume"


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
KeyFile = Annotated[Path, typer.Option("--key-file", help="The volume's key. Keep it where the attacker is not.")]
Anchor = Annotated[
    str, typer.Option("--anchor", help="file:PATH remembers the newest state. Keep it where the attacker is not.")
]
Lasting = Annotated[
    Durability, typer.Option("--durability", help="Of the anchor's file: lazy survives kill -9, durable a power loss.")
]
Fresh = Annotated[
    Freshness,
    typer.Option("--freshness", help="strict: before an fsync returns. interval: soon after. none: never, for caches."),
]


def place(folder: Path, key_file: Path, anchor: str, durability: Durability) -> dict[str, Any]:
    """The volume, as crates/volume-tool wants it."""
    return {
        "folder": str(folder.absolute()),
        "key": key.load(key_file),
        "anchor": {"file": str(file_of(anchor)), "durability": durability.value},
    }


def unanchored(folder: Path, key_file: Path) -> dict[str, Any]:
    """The volume where nobody asks its anchor."""
    return {"folder": str(folder.absolute()), "key": key.load(key_file), "anchor": None}


def binary() -> Path:
    """The program, beside this interpreter or on PATH."""
    beside = Path(sys.executable).parent / BINARY_NAME
    found = str(beside) if beside.exists() else shutil.which(BINARY_NAME)
    if not found:
        raise PlatformError(f"{BINARY_NAME} is not installed", expected=str(beside), remedy="run: make setup")
    return Path(found)
