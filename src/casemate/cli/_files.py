"""Reading what a person named."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from casemate.errors import TooLargeError, UsageError

__all__ = ["program_path", "read_bytes", "read_table", "replace_text", "write_new"]

_LIMIT: Final = 16 * 1024 * 1024


def program_path(name: str) -> Path:
    """Where the file itself lies: its folder without links, its own name kept, which may be a link that matters."""
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"no program {name}", remedy="give its path, or install it")
    path = Path(found).absolute()
    return path.parent.resolve() / path.name


def read_bytes(path: Path) -> bytes:
    """The file's bytes; `-` is standard input."""
    try:
        data = sys.stdin.buffer.read(_LIMIT + 1) if str(path) == "-" else _read(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(data) > _LIMIT:
        raise TooLargeError(f"{path} is too large", expected=f"≤ {_LIMIT} bytes")
    return data


def read_table(path: Path, *, what: str, remedy: str) -> dict[str, Any]:
    """The JSON object in a file that Casemate wrote earlier."""
    try:
        value = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not {what}: it is not JSON", remedy=remedy) from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is not {what}: it is not a JSON object", remedy=remedy)
    return value


def replace_text(path: Path, text: str) -> None:
    """Writes the whole file or leaves it as it was; a link stays one, the mode stays what it was."""
    real = path.resolve()
    temporary = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(real, temporary)
        temporary.replace(real)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_new(path: Path, data: bytes, *, otherwise: str = "name another file") -> None:
    """A file that is there is never replaced: then `otherwise` is the remedy. Errors: UsageError."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", remedy=otherwise) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LIMIT + 1)
