"""How an anchor is written: `file:PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from casemate.errors import UsageError

__all__ = ["file_of"]

_FILE: Final = "file:"


def file_of(anchor: str) -> Path:
    """The absolute path of an anchor in a file. Errors: UsageError for anything else."""
    path = anchor.removeprefix(_FILE)
    if path == anchor or not path:
        raise UsageError(f"the anchor {anchor} is of no known kind", expected="file:PATH")
    return Path(path).absolute()
