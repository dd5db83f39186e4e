"""The embedded store: one SQLite file, one process, every commit flushed.

The file is the host's. SQLite gets no memory that the host shares (no -shm file, no mapping), runs nothing that a file
could bring along (its schema must be ours to the letter), and each row is checked for its types.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from casemate.custodian import host_files
from casemate.custodian.store.interface import Row, Write
from casemate.errors import StoreError, StoreTamperedError

__all__ = ["SqliteStore"]

FORMAT: Final = 1
_APPLICATION_ID: Final = 0x43534D54  # "CSMT"
_SCHEMA: Final = {
    "rows": "CREATE TABLE rows"
    " (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "rows_by_revision": "CREATE INDEX rows_by_revision ON rows (revision)",
    "log": "CREATE TABLE log (number INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT",
}
_SETTINGS: Final = (
    ("trusted_schema", "OFF"),
    ("cell_size_check", "ON"),
    ("mmap_size", "0"),
    # Before the first use of the write-ahead log: its index is then in our memory, not in a file of the host.
    ("locking_mode", "EXCLUSIVE"),
    ("synchronous", "FULL"),
)
_MAX_VALUE: Final = 64 * 1024 * 1024
"""Bytes that SQLite takes as one value; the largest of ours is a manifest, 16 MiB."""


class SqliteStore:
    """`create` makes the file, which must not be there; otherwise it must be.

    The folder is locked, so that a second custodian is told instead of corrupting.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            _check_place(path, create=create)
            self._connection = _connected(path, create=create)
        except BaseException:
            os.close(self._lock)
            raise

    def get(self, key: str) -> Row | None:
        with _own_errors("read"):
            found = self._connection.execute("SELECT key, value, revision FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else _row(found)

    def range(self, prefix: str) -> Iterator[Row]:
        with _own_errors("read"):
            query = "SELECT key, value, revision FROM rows WHERE key >= ? AND key < ? ORDER BY key"
            for found in self._connection.execute(query, (prefix, prefix + "\U0010ffff")):
                yield _row(found)

    def transaction(
        self, compare: Sequence[tuple[str, int | None]], writes: Sequence[Write], log: Sequence[bytes], revision: int
    ) -> bool:
        with _own_errors("write"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                held = all(self._revision(key) == wanted for key, wanted in compare)
                if held:
                    self._write(writes, log, revision)
                self._connection.execute("COMMIT" if held else "ROLLBACK")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return held

    def watch(self, prefix: str, after: int) -> list[Row]:
        query = "SELECT key, value, revision FROM rows WHERE revision > ? AND key >= ? AND key < ? ORDER BY key"
        with _own_errors("read"):
            return [_row(found) for found in self._connection.execute(query, (after, prefix, prefix + "\U0010ffff"))]

    def log_entries(self, start: int) -> Iterator[bytes]:
        with _own_errors("read"):
            for number, value in self._connection.execute(
                "SELECT number, value FROM log WHERE number >= ? ORDER BY number", (start,)
            ):
                if number != start or not isinstance(value, bytes):
                    raise StoreTamperedError("the log has a gap", step="store.log", got=str(start))
                start += 1
                yield value

    def log_length(self) -> int:
        with _own_errors("read"):
            (last,) = self._connection.execute("SELECT MAX(number) FROM log").fetchone()
        return 0 if last is None else int(last) + 1

    def close(self) -> None:
        self._connection.close()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _revision(self, key: str) -> int | None:
        found = self._connection.execute("SELECT revision FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def _write(self, writes: Sequence[Write], log: Sequence[bytes], revision: int) -> None:
        gone = [(write.key,) for write in writes if write.value is None]
        put = [(write.key, write.value, revision) for write in writes if write.value is not None]
        self._connection.executemany("DELETE FROM rows WHERE key = ?", gone)
        self._connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", put)
        start = self.log_length() if log else 0
        entries = [(start + index, entry) for index, entry in enumerate(log)]
        self._connection.executemany("INSERT INTO log VALUES (?, ?)", entries)


def _connected(path: Path, *, create: bool) -> sqlite3.Connection:
    with _own_errors("open"):
        connection = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
            for name, value in _SETTINGS:
                connection.execute(f"PRAGMA {name} = {value}")
            if not create:
                _check_format(connection)
            _use_write_ahead_log(connection)
            if create:
                _make_tables(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError("the store cannot keep a write-ahead log here", step="store.open", got=str(mode))


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.values():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def _check_format(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (_APPLICATION_ID, FORMAT):
        raise StoreError(
            "the store is not of a format that this release knows",
            step="store.format",
            expected=str(FORMAT),
            got=str(version),
            remedy="run the release that wrote it",
        )
    # Views, triggers and other tables would be a way to run something of the host's in here.
    if dict(connection.execute("SELECT name, sql FROM sqlite_schema")) != _SCHEMA:
        raise StoreTamperedError(
            "the store has tables that are not ours",
            step="store.schema",
            remedy="somebody changed the database: put back the newest one, and look at who can write there",
        )


def _row(found: tuple[Any, ...]) -> Row:
    """A row as it came: in a file that the host wrote, columns have any type."""
    key, value, revision = found
    if not (isinstance(key, str) and isinstance(value, bytes) and isinstance(revision, int) and revision > 0):
        raise StoreTamperedError("a row of the store has another form than ours", step="store.row", got=str(key)[:200])
    return Row(key, value, revision)


def _check_place(path: Path, *, create: bool) -> None:
    if host_files.exists(path) == create:
        what = "exists already" if create else "is missing"
        raise StoreError(f"the store {path.name} {what}", step="store.open", remedy=_remedy(create=create))
    if not create and (path.is_symlink() or not path.is_file()):
        raise StoreError(f"the store {path.name} is not a file", step="store.open", remedy=_remedy(create=create))


def _locked(path: Path) -> int:
    try:
        descriptor = host_files.open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StoreError(f"the data folder cannot be used: {error.strerror}", step="store.lock") from error
    try:
        host_files.lock(descriptor, what="store", step="store.lock")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remedy(*, create: bool) -> str:
    return "use another folder" if create else "put the folder back, or initialise a new custodian"


@contextmanager
def _own_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # The second: what SQLite says about a damaged file quotes it, and the file need not be text.
        raise StoreError(
            f"cannot {doing} the store: {error}",
            step=f"store.{doing}",
            remedy="is the disk full, or the file damaged? Nothing was acknowledged that is not stored",
        ) from error
