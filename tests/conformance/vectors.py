"""What tests of published vectors share: they are those that are made, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["VECTORS", "check_made"]

VECTORS: Final = Path(__file__).resolve().parents[2] / "spec" / "vectors"


def check_made(make: Callable[[Path], None], below: Path, *names: str) -> None:
    """`make` writes what lies in a folder of the vectors; where several are named, into folders of these names."""
    make(below)
    for name in names:
        kept = _files(VECTORS / name)
        del kept["README.md"]
        assert _files(below / name if len(names) > 1 else below) == kept


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
