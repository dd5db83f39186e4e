"""What root can put where the database is, and what happens when the disk does not take more."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.custodian.store.interface import Write
from casemate.custodian.store.sqlite import SqliteStore
from casemate.errors import StoreError, StoreLockedError, StoreTamperedError

from .conftest import files_of_at_most


@pytest.fixture
def made(path: Path) -> Path:
    """A store that was stopped: one row, one entry of the log."""
    with closing(SqliteStore(path, create=True)) as store:
        store.transaction([], [Write("key", b"value")], [b"entry"], 1)
    return path


def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as error:
        SqliteStore(path)
    return error.value


def edit(path: Path, *statements: str) -> None:
    """As root does, with the ordinary tool."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def read_all(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.get("key")
        list(store.range(""))
        list(store.log_entries(0))


def _link_to_a_copy(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


PLACES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "nothing": ("store.open", Path.unlink),
    "a folder": ("store.open", lambda path: (path.unlink(), path.mkdir())),
    "a pipe": ("store.open", lambda path: (path.unlink(), os.mkfifo(path))),
    "a link to a genuine one": ("store.open", _link_to_a_copy),
    "a link to nowhere": ("store.open", lambda path: (path.unlink(), path.symlink_to("nowhere"))),
    "an empty file": ("store.format", lambda path: path.write_bytes(b"")),
    "text": ("store.open", lambda path: path.write_bytes(b"not a database, " * 500)),
    "half of it": ("store.open", lambda path: os.truncate(path, path.stat().st_size // 2)),
    "another program's database": ("store.format", lambda path: edit(path, "PRAGMA application_id = 7")),
    "a later format": ("store.format", lambda path: edit(path, "PRAGMA user_version = 2")),
    "a folder for the lock": ("store.lock", lambda path: (_lock(path).unlink(), _lock(path).mkdir())),
    "a pipe for the lock": ("store.lock", lambda path: (_lock(path).unlink(), os.mkfifo(_lock(path)))),
}


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@pytest.mark.parametrize(("step", "place"), PLACES.values(), ids=PLACES)
def test_what_is_no_store_of_ours_is_refused_at_once(made: Path, step: str, place: Callable[[Path], object]) -> None:
    place(made)
    assert refused(made).step == step


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (a)",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER more AFTER INSERT ON rows BEGIN DELETE FROM log; END",
        "DROP INDEX rows_by_revision",
        "CREATE INDEX more ON rows (value)",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE log (number INTEGER PRIMARY KEY, value)' WHERE name = 'log'",
    ],
)
def test_tables_that_are_not_ours_are_refused(made: Path, statement: str) -> None:
    edit(made, statement)
    error = refused(made)
    assert (type(error), error.step) == (StoreTamperedError, "store.schema")


# A table that takes anything is filled, and then described as ours.
_ANY_ROWS = ("PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, ' STRICT,', '')")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rows SET value = 'text'",
        "UPDATE rows SET value = 7",
        "UPDATE rows SET revision = 'text'",
        "UPDATE rows SET revision = 1.5",
        "UPDATE rows SET revision = -1",
        "UPDATE rows SET revision = 0",
        "UPDATE rows SET revision = x'00'",
    ],
)
def test_rows_of_another_form_are_refused(made: Path, change: str) -> None:
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        (ours,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'rows'").fetchone()
        for statement in _ANY_ROWS:
            connection.execute(statement)
    edit(made, change)
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'rows'", (ours,))
    with pytest.raises(StoreError) as error:
        read_all(made)
    assert error.value.step == "store.row"


def test_an_entry_taken_out_of_the_log_is_noticed(path: Path) -> None:
    with closing(SqliteStore(path, create=True)) as store:
        store.transaction([], [], [b"0", b"1", b"2"], 1)
    edit(path, "DELETE FROM log WHERE number = 1")
    with closing(SqliteStore(path)) as store, pytest.raises(StoreTamperedError) as error:
        list(store.log_entries(0))
    assert (error.value.step, error.value.got) == ("store.log", "1")


@given(changes=st.lists(st.tuples(st.integers(0, 16_383), st.binary(min_size=1, max_size=8)), min_size=1, max_size=9))
@settings(max_examples=150, deadline=None)
def test_damage_is_an_error_of_ours(changes: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        data = bytearray(_genuine())
        for position, content in changes:
            position %= len(data)
            data[position : position + len(content)] = content
        path.write_bytes(data)
        # Whatever is in it: an answer, or our own error.
        with suppress(StoreError):
            read_all(path)


def test_damage_that_is_no_text_is_an_error_of_ours(path: Path) -> None:
    """SQLite quotes what it complains about."""
    path.write_bytes(_genuine().replace(b"INDEX rows_by", b"\x80NDEX rows_by"))
    assert refused(path).step == "store.open"


@cache
def _genuine() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        with closing(SqliteStore(path, create=True)) as store:
            for number in range(1, 9):
                store.transaction([], [Write(f"key/{number}", bytes(100 * number))], [bytes(50)], number)
        return path.read_bytes()


def test_a_second_opening_is_told_who_is_in_the_way(made: Path) -> None:
    with closing(SqliteStore(made)):
        error = refused(made)
        assert (type(error), error.step) == (StoreLockedError, "store.lock")
    SqliteStore(made).close()


def test_a_store_is_not_made_where_one_is(made: Path) -> None:
    before = made.read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        SqliteStore(made, create=True)
    assert made.read_bytes() == before


def test_no_memory_is_shared_with_the_host(made: Path) -> None:
    """The index of the write-ahead log would be a file that SQLite maps: the host could change it under our hands."""
    with closing(SqliteStore(made)) as store:
        store.transaction([], [Write("key", b"more")], [], 2)
        assert {item.name for item in made.parent.iterdir()} == {"store", "store.lock", "store-wal"}


def test_every_commit_is_flushed_and_nothing_of_the_file_is_trusted(made: Path) -> None:
    wanted = {"synchronous": 2, "trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0, "journal_mode": "wal"}
    with closing(SqliteStore(made)) as store:
        found = {name: store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    assert found == wanted


def test_a_value_that_is_too_large_leaves_nothing_of_its_transaction(made: Path) -> None:
    with closing(SqliteStore(made)) as store:
        with pytest.raises(StoreError) as error:
            store.transaction([], [Write("small", b""), Write("large", bytes(64 * 1024 * 1024 + 1))], [b"lost"], 2)
        assert error.value.step == "store.write"
        assert (store.get("small"), store.log_length()) == (None, 1)
        assert store.transaction([], [Write("small", b"")], [], 2)


def test_what_was_committed_survives_without_a_stop(made: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    with closing(SqliteStore(made)) as store:
        store.transaction([], [Write("key", b"newer")], [b"more"], 2)
        shutil.copytree(made.parent, image, ignore=shutil.ignore_patterns("image"))
    with closing(SqliteStore(image / "store")) as store:
        row = store.get("key")
        assert row is not None
        assert (row.value, store.log_length()) == (b"newer", 2)


def test_a_full_disk_refuses_whole_transactions_and_recovers(path: Path) -> None:
    with closing(SqliteStore(path, create=True)) as store:
        store.transaction([], [Write("key", b"before")], [b"entry"], 1)
        with files_of_at_most(64 * 1024), pytest.raises(StoreError) as error:
            store.transaction([], [Write("key", os.urandom(200_000)), Write("more", b"")], [b"lost"], 2)
        assert error.value.step == "store.write"
        row = store.get("key")
        assert row is not None
        assert (row.value, store.get("more"), store.log_length()) == (b"before", None, 1)
        assert store.transaction([("key", 1)], [Write("key", b"after")], [b"more"], 2)
    with closing(SqliteStore(path)) as store:
        assert [row.value for row in store.range("")] == [b"after"]


@contextmanager
def _as_nobody(folder: Path) -> Iterator[None]:
    """Root may write everywhere: it steps down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    for item in (folder, *folder.iterdir()):
        os.chown(item, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_nobody_can_write_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        SqliteStore(folder / "store", create=True).close()
        _lock(folder / "store").unlink()
        folder.chmod(0o500)
        with _as_nobody(folder):
            error = refused(folder / "store")
        folder.chmod(0o700)
    assert (error.step, "Permission denied" in error.message) == ("store.lock", True)
