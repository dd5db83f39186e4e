"""A sealed volume in Python beside plain files: the same calls of `io` on both, in turns.

The volume is strict, with a durable anchor in a file, and lies in the folder of temporary files, as the plain ones do.
What was written is in the host's cache for plain files; a volume writes past it, and what is read again comes from
there.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from bench.result import Result
from casemate.volume import Volume

__all__ = ["measure"]

_ROUNDS: Final = 5
_STEP: Final = 1 << 20
_STEPS: Final = 256
_BLOCK: Final = 4096
_READS: Final = 4000
_FILES: Final = 2000
_THREADS: Final = 2
_MEGABYTE: Final = 1e6


class _Side(NamedTuple):
    """Where files are: how they are opened, made durable and named."""

    name: str
    open: Callable[..., IO[Any]]
    sync: Callable[[Any], None]
    folder: str


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as folder:
        root = Path(folder)
        key_file, anchor = root / "K", f"file:{root / 'A'}"
        Volume.create(root / "V", key_file=key_file, anchor=anchor, size=4 << 30)
        (root / "plain").mkdir()
        with Volume.open_writing(root / "V", key_file=key_file, anchor=anchor) as volume:
            sides = [
                _Side("plain", open, lambda file: os.fsync(file.fileno()), str(root / "plain")),
                _Side("sealed", volume.open, lambda file: file.sync(), ""),
            ]
            return _results(sides)


def _results(sides: list[_Side]) -> list[Result]:
    values: dict[tuple[str, str, str], list[float]] = {}
    for number in range(_ROUNDS + 1):
        for what, unit, figure in _FIGURES:
            for side in sides:
                value = figure(side)
                if number:  # the first one warms up
                    values.setdefault((what, side.name, unit), []).append(value)
    return [
        Result(f"Python, {side}: {what}", unit, found, more_is_better=True)
        for (what, side, unit), found in values.items()
    ]


def _writing(side: _Side) -> float:
    step = os.urandom(_STEP)
    begin = time.perf_counter()
    with side.open(f"{side.folder}/large", "wb", 0) as file:
        for _ in range(_STEPS):
            file.write(step)
        side.sync(file)
    return _STEP * _STEPS / _MEGABYTE / (time.perf_counter() - begin)


def _reading(side: _Side) -> float:
    begin = time.perf_counter()
    _read(side, 0, _STEPS)
    return _STEP * _STEPS / _MEGABYTE / (time.perf_counter() - begin)


def _reading_at_once(side: _Side) -> float:
    each = _STEPS // _THREADS
    begin = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda number: _read(side, number * each, each), range(_THREADS)))
    return _STEP * _STEPS / _MEGABYTE / (time.perf_counter() - begin)


def _read(side: _Side, first: int, steps: int) -> None:
    with side.open(f"{side.folder}/large", "rb", 0) as file:
        file.seek(first * _STEP)
        for _ in range(steps):
            file.read(_STEP)


def _reading_anywhere(side: _Side) -> float:
    choice = random.Random(1)
    places = [choice.randrange(_STEP * _STEPS // _BLOCK) * _BLOCK for _ in range(_READS)]
    with side.open(f"{side.folder}/large", "rb", 0) as file:
        begin = time.perf_counter()
        for place in places:
            file.seek(place)
            file.read(_BLOCK)
        return _READS / (time.perf_counter() - begin)


def _small_files(side: _Side) -> float:
    content, prefix = os.urandom(_BLOCK), f"{side.folder}/{time.monotonic_ns()}"
    begin = time.perf_counter()
    for number in range(_FILES):
        with side.open(f"{prefix}-{number}", "xb") as file:
            file.write(content)
    return _FILES / (time.perf_counter() - begin)


_FIGURES: Final[list[tuple[str, str, Callable[[_Side], float]]]] = [
    ("write of 256 MiB in steps of 1 MiB, and fsync", "MB/s", _writing),
    ("first read of it in steps of 1 MiB", "MB/s", _reading),
    ("read of it again, by two threads", "MB/s", _reading_at_once),
    ("reads of 4 KiB anywhere", "/s", _reading_anywhere),
    ("files of 4 KiB written", "/s", _small_files),
]
