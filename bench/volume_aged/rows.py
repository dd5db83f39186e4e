"""What is measured in a folder, each row with the caches empty where it says so. As root: only root empties them."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["ROWS", "prepare", "read_aged"]

_BLOCK: Final = 4096
_MEBIBYTE: Final = 1 << 20
_MEGABYTE: Final = 1e6
_LARGE: Final = 384 * _MEBIBYTE
_SCATTERED: Final = 256 * _MEBIBYTE
_BETWEEN_FLUSHES: Final = 512
_READS: Final = 4000
_WRITES: Final = 8192
_FILES: Final = 3000
_COMMITS: Final = 2000


def prepare(folder: Path) -> Path:
    """Where the rows have their files. In one, each block was overwritten, at random."""
    place = folder / "rows"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    _write(place / "scattered", _SCATTERED)
    choice = random.Random(1)
    blocks = list(range(_SCATTERED // _BLOCK))
    choice.shuffle(blocks)
    with (place / "scattered").open("r+b", buffering=0) as file:
        for done, block in enumerate(blocks):
            file.seek(block * _BLOCK)
            file.write(choice.randbytes(_BLOCK))
            if done % _BETWEEN_FLUSHES == 0:
                os.fsync(file.fileno())
        os.fsync(file.fileno())
    return place


def _cold() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def _write(path: Path, size: int) -> None:
    content = random.Random(2).randbytes(_MEBIBYTE)
    with path.open("wb", buffering=0) as file:
        for _ in range(size // _MEBIBYTE):
            file.write(content)
        os.fsync(file.fileno())


def _rate(amount: float, work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return amount / (time.perf_counter() - begin)


def _sequential_write(place: Path) -> float:
    (place / "fresh").unlink(missing_ok=True)
    return _rate(_LARGE / _MEGABYTE, lambda: _write(place / "fresh", _LARGE))


def _read_through(path: Path) -> float:
    _cold()
    room = bytearray(_MEBIBYTE)
    with path.open("rb", buffering=0) as file:
        return _rate(path.stat().st_size / _MEGABYTE, lambda: all(iter(lambda: file.readinto(room), 0)))


def read_aged(folder: Path) -> float:
    """Of the large files of the ageing, one after another."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    rates = [_read_through(path) for path in sorted(folder.iterdir())]
    return sum(sizes) / sum(size / rate for size, rate in zip(sizes, rates, strict=True))


def _mapped(place: Path) -> float:
    _cold()
    path = place / "scattered"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        return _rate(_SCATTERED / _MEGABYTE, lambda: sum(mapped[at] for at in range(0, _SCATTERED, _BLOCK)))


def _random_read(place: Path) -> float:
    _cold()
    choice = random.Random(3)
    places = [choice.randrange(_LARGE // _BLOCK) * _BLOCK for _ in range(_READS)]
    with (place / "fresh").open("rb", buffering=0) as file:
        return _rate(_READS, lambda: [os.pread(file.fileno(), _BLOCK, at) for at in places])


def _random_write(place: Path) -> float:
    choice = random.Random(4)
    content = choice.randbytes(_BLOCK)
    places = [choice.randrange(_LARGE // _BLOCK) * _BLOCK for _ in range(_WRITES)]

    def work() -> None:
        with (place / "fresh").open("r+b", buffering=0) as file:
            for at in places:
                os.pwrite(file.fileno(), content, at)
            os.fsync(file.fileno())

    return _rate(_WRITES, work)


def _create(place: Path) -> float:
    shutil.rmtree(place / "many", ignore_errors=True)
    (place / "many").mkdir()
    content = random.Random(5).randbytes(_BLOCK)
    return _rate(_FILES, lambda: [(place / "many" / str(number)).write_bytes(content) for number in range(_FILES)])


def _walk(place: Path) -> float:
    _cold()
    return _rate(_FILES, lambda: [entry.stat() for entry in os.scandir(place / "many")])


def _commit(place: Path) -> float:
    for old in place.glob("database*"):
        old.unlink()
    database = sqlite3.connect(place / "database", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table entries (number integer, text text)")
    insert = "insert into entries values (?, ?)"
    try:
        return _rate(_COMMITS, lambda: [database.execute(insert, (n, "x" * 100)) for n in range(_COMMITS)])
    finally:
        database.close()


ROWS: Final[list[tuple[str, str, Callable[[Path], float]]]] = [
    ("sequential write and fsync", "MB/s", _sequential_write),
    ("sequential read of that, cold", "MB/s", lambda place: _read_through(place / "fresh")),
    ("random read of that, cold", "/s", _random_read),
    ("sequential read of an overwritten file, cold", "MB/s", lambda place: _read_through(place / "scattered")),
    ("mapped read of an overwritten file, cold", "MB/s", _mapped),
    ("random write, fsync at the end", "/s", _random_write),
    ("small files made", "/s", _create),
    ("stat of each, cold", "/s", _walk),
    ("SQLite commits, WAL FULL", "/s", _commit),
]
