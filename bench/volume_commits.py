"""SQLite commits a second (WAL, synchronous=FULL) on a strict volume whose anchor the custodian keeps: by one writer,
and by sixteen with a database each, which share flushes and round trips.

One writer cannot be faster than a flush of the disk and a round trip to the custodian one after the other: that is
measured beside it.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.installation import Installation
from bench.result import Result

__all__ = ["measure"]

_WRITERS: Final = 16
_ROUNDS: Final = 5
_COMMITS: Final = 400
"""Of one writer alone in a round; of sixteen, each makes a quarter."""
_FLUSHES: Final = 200
_ROW: Final = "x" * 100

_POLICY: Final = """\
casemate: 1
policy: bench/commits
genesis: {genesis}
principals:
  alice: {{key: "{alice}"}}
access:
  read: {{any: [alice]}}
  update: {{any: [alice]}}
services: {{}}
volumes:
  records:
    freshness: strict
    root: hash
    accept_anchor: [insecure_file]
    people: {{write: {{any: [alice]}}, lease: "300s"}}
"""


def measure(installation: Installation) -> list[Result]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("bench: no /dev/fuse, no commits on a volume")
        return []
    stage = installation.stage
    folder, place = stage.folder / "commits", stage.folder / "commits-mount"
    place.mkdir()
    _submit(installation)
    volume = ("--policy", "bench/commits", "--volume", "records")
    stage.ask("volume", "create", folder, *volume)
    stage.ask("volume", "mount", folder, place, *volume)
    try:
        return _measure(stage.folder, place)
    finally:
        stage.ask("volume", "unmount", place)


def _measure(plain: Path, mounted: Path) -> list[Result]:
    flushes, alone, together = [], [], []
    for number in range(_ROUNDS + 1):
        flush = _flush(plain / "flushed")
        one = _commits(mounted, 1, _COMMITS)
        many = _commits(mounted, _WRITERS, _COMMITS // 4)
        if number:  # the first one warms up
            flushes.append(flush * 1e6)
            alone.append(one)
            together.append(many)
    return [
        Result("disk: 8 KiB written over and flushed", "µs", flushes),
        Result("volume, custodian's anchor: SQLite WAL FULL commits, one writer", "/s", alone, more_is_better=True),
        Result(f"the same, {_WRITERS} writers", "/s", together, 4000, more_is_better=True),
    ]


def _flush(path: Path) -> float:
    """Seconds for one, in the median."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, bytes(1 << 20), 0)
        os.fsync(descriptor)
        took = []
        for index in range(_FLUSHES):
            begin = time.perf_counter()
            os.pwrite(descriptor, bytes(8192), index % 128 * 8192)
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - begin)
        return statistics.median(took)
    finally:
        os.close(descriptor)


def _commits(folder: Path, writers: int, each: int) -> float:
    """A second, of all writers together."""
    databases = [_database(folder / f"{writers}-{index}.db") for index in range(writers)]
    with ThreadPoolExecutor(writers) as pool:
        begin = time.perf_counter()
        list(pool.map(lambda database: _insert(database, each), databases))
        seconds = time.perf_counter() - begin
    for database in databases:
        database.close()
    return writers * each / seconds


def _insert(database: sqlite3.Connection, count: int) -> None:
    for number in range(count):
        database.execute("insert into entries values (?, ?)", (number, _ROW))


def _database(path: Path) -> sqlite3.Connection:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table entries (number integer, text text)")
    return database


def _submit(installation: Installation) -> None:
    stage = installation.stage
    genesis = stage.ask("policy", "init", "bench/commits", "--owner", "alice", "--insecure-simulation",
                        "--output", stage.folder / "commits-starter.yaml")["genesis"]  # fmt: skip
    path = stage.folder / "commits.yaml"
    alice = stage.ask("identity", "show", "alice")["key"]
    path.write_text(_POLICY.format(genesis=genesis, alice=alice))
    stage.ask("policy", "submit", path)
