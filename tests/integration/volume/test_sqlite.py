"""SQLite on a sealed volume, with each of its journals, several processes at once, and a mount that dies under it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Sealed

PROCESSES = 4
ROWS = 50

WRITER = """
import sqlite3, sys
path, journal, synchronous, me, rows = sys.argv[1:]
database = sqlite3.connect(path, isolation_level=None, timeout=60)
database.execute(f"PRAGMA journal_mode={journal}")
database.execute(f"PRAGMA synchronous={synchronous}")
database.execute("PRAGMA mmap_size=1000000")
for number in range(int(rows)):
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO entries VALUES (?, ?, randomblob(700))", (me, number))
    database.execute("UPDATE total SET entries = entries + 1")
    database.execute("COMMIT")
    print(number, flush=True)
"""
JOURNALS = [("WAL", "FULL"), ("WAL", "NORMAL"), ("DELETE", "FULL"), ("TRUNCATE", "EXTRA"), ("PERSIST", "FULL")]


def _create(path: Path, journal: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("CREATE TABLE entries (writer TEXT, number INTEGER, filler BLOB, UNIQUE (writer, number))")
        database.execute("CREATE TABLE total AS SELECT 0 AS entries")
    database.close()


def _write(path: Path, journal: str, synchronous: str, rows: int) -> list[subprocess.Popen[bytes]]:
    line = [sys.executable, "-c", WRITER, str(path), journal, synchronous]
    return [
        subprocess.Popen([*line, str(me), str(rows)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for me in range(PROCESSES)
    ]


def _sound(path: Path) -> dict[str, int]:
    """Rows of each writer, once everything that must hold was seen to hold."""
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    counts = dict(database.execute("SELECT writer, count(*) FROM entries GROUP BY writer").fetchall())
    assert database.execute("SELECT entries FROM total").fetchone() == (sum(counts.values()),)
    gaps = "SELECT count(*) FROM entries AS e WHERE number > (SELECT count(*) - 1 FROM entries WHERE writer = e.writer)"
    assert database.execute(gaps).fetchone() == (0,)
    database.close()
    return counts


@pytest.mark.parametrize(("journal", "synchronous"), JOURNALS)
def test_several_processes_share_a_database(sealed: Sealed, journal: str, synchronous: str) -> None:
    sealed.mount()
    path = sealed.mountpoint / "db"
    _create(path, journal)
    for writer in _write(path, journal, synchronous, ROWS):
        writer.communicate()
        assert writer.returncode == 0
    everything = {str(me): ROWS for me in range(PROCESSES)}
    assert _sound(path) == everything
    assert sealed.unmount().returncode == 0
    sealed.mount()
    assert _sound(path) == everything


# With a rollback journal, a transaction is committed once the journal's name is gone, and only EXTRA flushes that.
@pytest.mark.parametrize(("journal", "synchronous"), [("WAL", "FULL"), ("DELETE", "EXTRA")])
def test_a_mount_that_dies_under_several_writers_loses_nothing_committed(
    sealed: Sealed, journal: str, synchronous: str
) -> None:
    pid = sealed.mount()["pid"]
    path = sealed.mountpoint / "db"
    _create(path, journal)
    writers = _write(path, journal, synchronous, 1_000_000)
    first = writers[0].stdout
    assert first is not None
    early = [first.readline() for _ in range(30)]
    sealed.kill(pid)
    said = [writer.communicate()[0].splitlines() for writer in writers]
    sealed.mount()
    found = _sound(path)
    assert b"" not in early
    said[0] = early + said[0]
    assert [found.get(str(me), 0) >= len(lines) for me, lines in enumerate(said)] == [True] * PROCESSES


def test_a_transaction_that_was_not_committed_is_rolled_back(sealed: Sealed) -> None:
    """The rollback journal is hot when the mount dies; the next to open the database must find it, and play it back."""
    pid = sealed.mount()["pid"]
    path = sealed.mountpoint / "db"
    _create(path, "DELETE")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA cache_size=10")
    database.execute("BEGIN")
    for number in range(2000):
        database.execute("INSERT INTO entries VALUES ('lost', ?, randomblob(700))", (number,))
    assert path.stat().st_size > 500_000
    assert path.with_name("db-journal").exists()
    sealed.kill(pid)
    sealed.mount()
    assert _sound(path) == {}
