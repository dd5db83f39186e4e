"""What is in a folder before it ages: large files, middling ones and many small ones, as many as are wanted."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final

__all__ = ["LARGE", "LARGE_BYTES", "LOGS", "SMALL", "fill", "write"]

LARGE: Final = "large"
SMALL: Final = "small"
LOGS: Final = "logs"
LARGE_BYTES: Final = 256 << 20
_MIDDLING: Final = "middling"
_MEBIBYTE: Final = 1 << 20
_SHARE_OF_LARGE: Final = 0.75
_SHARE_OF_MIDDLING: Final = 0.88


def fill(folder: Path, wanted: int, seed: int) -> None:
    """So many bytes, three quarters of them in large files."""
    choice = random.Random(seed)
    for name in (LARGE, _MIDDLING, SMALL, LOGS):
        (folder / name).mkdir(parents=True)
    written = 0
    while written < wanted * _SHARE_OF_LARGE:
        written += write(folder / LARGE / str(written // LARGE_BYTES), LARGE_BYTES, choice)
    while written < wanted * _SHARE_OF_MIDDLING:
        written += write(folder / _MIDDLING / str(written), choice.randrange(1, 8) << 20, choice)
    count = 0
    while written < wanted:
        written += write(folder / SMALL / f"{count}-0", choice.randrange(1 << 12, 1 << 16), choice)
        count += 1


def write(path: Path, size: int, choice: random.Random) -> int:
    content = choice.randbytes(min(size, _MEBIBYTE))
    with path.open("wb", buffering=0) as file:
        for at in range(0, size, _MEBIBYTE):
            file.write(content[: size - at])
        if size >= LARGE_BYTES:
            os.fsync(file.fileno())
    return size
