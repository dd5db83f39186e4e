"""Reading what a person named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from casemate.errors import TooLargeError, UsageError

__all__ = ["read_bytes", "read_text"]

_LIMIT: Final = 16 * 1024 * 1024


def read_bytes(path: Path) -> bytes:
    """The file's bytes; `-` is standard input."""
    try:
        data = sys.stdin.buffer.read(_LIMIT + 1) if str(path) == "-" else _read(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(data) > _LIMIT:
        raise TooLargeError(f"{path} is too large", expected=f"≤ {_LIMIT} bytes")
    return data


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", got=f"byte {error.start}", remedy="save it as UTF-8") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LIMIT + 1)
