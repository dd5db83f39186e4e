"""The embedded store: one SQLite file, one process, every commit flushed."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from casemate.custodian.store.interface import Row, Write
from casemate.errors import StoreError, StoreLockedError

__all__ = ["SqliteStore"]

FORMAT: Final = 1
_APPLICATION_ID: Final = 0x43534D54  # "CSMT"
_SCHEMA: Final = (
    "CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX rows_by_revision ON rows (revision)",
    "CREATE TABLE log (number INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)


class SqliteStore:
    """`create` makes the file, which must not be there; otherwise it must be.

    The folder is locked, so that a second custodian is told instead of corrupting.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            if path.exists() == create:
                what = "exists already" if create else "is missing"
                raise StoreError(f"the store {path.name} {what}", step="store.open", remedy=_remedy(create=create))
            self._connection = self._open(create=create)
        except BaseException:
            os.close(self._lock)
            raise

    def get(self, key: str) -> Row | None:
        with _own_errors("read"):
            found = self._connection.execute("SELECT key, value, revision FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else Row(*found)

    def range(self, prefix: str) -> Iterator[Row]:
        with _own_errors("read"):
            query = "SELECT key, value, revision FROM rows WHERE key >= ? AND key < ? ORDER BY key"
            for found in self._connection.execute(query, (prefix, prefix + "\U0010ffff")):
                yield Row(*found)

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
            return [Row(*row) for row in self._connection.execute(query, (after, prefix, prefix + "\U0010ffff"))]

    def log_entries(self, start: int) -> Iterator[bytes]:
        with _own_errors("read"):
            for number, value in self._connection.execute(
                "SELECT number, value FROM log WHERE number >= ? ORDER BY number", (start,)
            ):
                if number != start:
                    raise StoreError("the log has a gap", step="store.log", got=str(start))
                start += 1
                yield value

    def log_length(self) -> int:
        with _own_errors("read"):
            (last,) = self._connection.execute("SELECT MAX(number) FROM log").fetchone()
        return 0 if last is None else int(last) + 1

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    def _open(self, *, create: bool) -> sqlite3.Connection:
        with _own_errors("open"):
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5, check_same_thread=False)
            try:
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                if create:
                    for statement in _SCHEMA:
                        connection.execute(statement)
                _check_format(connection)
            except BaseException:
                connection.close()
                raise
        return connection

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


def _locked(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the data folder cannot be used: {error.strerror}", step="store.lock") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreLockedError(
            "another custodian uses this store", step="store.lock", remedy="stop it, or give each a folder of its own"
        ) from error
    return descriptor


def _remedy(*, create: bool) -> str:
    return "use another folder" if create else "put the folder back, or initialise a new custodian"


@contextmanager
def _own_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"cannot {doing} the store: {error}",
            step=f"store.{doing}",
            remedy="is the disk full, or the file damaged? Nothing was acknowledged that is not stored",
        ) from error
