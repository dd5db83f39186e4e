"""Starting over what root left in the folders: the database and its anchor, of one moment or of two."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keys.master import MASTER_FILE, open_master
from casemate.custodian.opening import STORE_FILE, Opened, UnconfirmedError, open_state
from casemate.errors import StoreError, StoreKeyError, StoreLockedError, StoreTamperedError

from .conftest import SEALING, Installation, commit

WAL = f"{STORE_FILE}-wal"


def keys(opened: Opened) -> list[str]:
    items = opened.engine.range("k", limit=99, after=None, reverse=False)
    return [item.key for item in items]


def opened_keys(installation: Installation) -> list[str]:
    opened = installation.open()
    found = keys(opened)
    opened.engine.stop()
    return found


def refused(installation: Installation) -> StoreError:
    with pytest.raises(StoreError) as error:
        installation.open()
    return error.value


@pytest.fixture
def crashed(installation: Installation, identity: str) -> Installation:
    """`k1` and `k2` were acknowledged, the second only to the write-ahead log, when the power went."""
    installation.live("k1")
    opened = installation.open()
    commit(opened, "k2")
    copy = installation.keep()
    opened.engine.close()
    installation.put_back(copy)
    return installation


def test_a_custodian_finds_what_it_acknowledged(installation: Installation, identity: str) -> None:
    installation.live("k1", "k2")
    opened = installation.open()
    assert (keys(opened), opened.identity.identity) == (["k1", "k2"], identity)
    opened.engine.stop()


def test_starts_and_stops_are_on_record(installation: Installation, identity: str) -> None:
    installation.live()
    opened = installation.open()
    kinds = [entry.kind for entry in opened.engine.store.audit()]
    assert kinds == ["custodian.created", "custodian.started", "custodian.stopped", "custodian.started"]
    opened.engine.stop()


def test_it_starts_by_itself_after_a_crash(crashed: Installation) -> None:
    assert (crashed.data / WAL).stat().st_size > 0
    assert opened_keys(crashed) == ["k1", "k2"]


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        lambda wal: wal.write_bytes(b""),
        lambda wal: wal.write_bytes(wal.read_bytes()[:-1]),
        lambda wal: wal.write_bytes(wal.read_bytes()[:-5000]),
        lambda wal: wal.write_bytes(os.urandom(wal.stat().st_size)),
        lambda wal: wal.write_bytes(bytes(wal.stat().st_size)),
    ],
    ids=["removed", "emptied", "its last byte cut", "its last pages cut", "noise", "zeros"],
)
def test_a_lost_end_of_the_write_ahead_log_is_noticed(crashed: Installation, change: Callable[[Path], object]) -> None:
    change(crashed.data / WAL)
    error = refused(crashed)
    assert (type(error), error.step) == (UnconfirmedError, "anchor.state")


def test_an_earlier_write_ahead_log_is_refused(installation: Installation, identity: str) -> None:
    opened = installation.open()
    commit(opened, "k1")
    earlier = installation.keep()
    commit(opened, "k2")
    commit(opened, "k3")
    copy = installation.keep()
    opened.engine.close()
    installation.put_back(copy)
    shutil.copy(earlier / "data" / WAL, installation.data / WAL)
    assert refused(installation).step == "anchor.state"


def test_yesterdays_database_is_refused(installation: Installation, identity: str) -> None:
    installation.live("k1")
    yesterday = installation.keep()
    installation.live("k2")
    today = installation.keep()
    installation.put_back(yesterday, "data")
    error = refused(installation)
    assert (error.code, error.step, "older" in error.message) == ("store.rolled_back", "anchor.state", True)
    installation.put_back(today)
    assert opened_keys(installation) == ["k1", "k2"]


def test_yesterdays_anchor_is_refused(installation: Installation, identity: str) -> None:
    installation.live("k1")
    yesterday = installation.keep()
    installation.live("k2")
    installation.put_back(yesterday, "anchors")
    error = refused(installation)
    assert (error.code, error.step, "another" in error.message) == ("store.rolled_back", "anchor.state", True)


def test_another_past_of_the_same_length_is_refused(installation: Installation, identity: str) -> None:
    beginning = installation.keep()
    installation.live("k1")
    one = installation.keep()
    installation.put_back(beginning)
    installation.live("k2")
    installation.put_back(one, "data")
    error = refused(installation)
    assert (error.step, error.expected, error.got) == ("anchor.state", "sequence 4", "sequence 4")


def test_yesterday_whole_is_what_a_file_cannot_tell(installation: Installation, identity: str) -> None:
    """LIMITATIONS.md, "Rollback of both": the reason why this anchor is called insecure."""
    installation.live("k1")
    yesterday = installation.keep()
    installation.live("k2")
    installation.put_back(yesterday)
    assert opened_keys(installation) == ["k1"]


@pytest.mark.parametrize(("ahead", "clean", "starts"), [(1, False, True), (1, True, False), (2, False, False)])
def test_one_step_ahead_of_a_running_anchor_is_a_crash_and_all_else_is_an_attack(
    installation: Installation, identity: str, ahead: int, clean: bool, starts: bool
) -> None:
    installation.live("k1")
    opened = installation.open()
    if clean:
        opened.engine.stop()
    anchored = installation.keep()
    if clean:
        opened = installation.open()
    else:
        for number in range(ahead):
            commit(opened, f"k{2 + number}")
    newer = installation.keep()
    opened.engine.close()
    installation.put_back(newer, "data")
    installation.put_back(anchored, "anchors")
    if starts:
        assert opened_keys(installation) == ["k1", "k2"]
    else:
        assert refused(installation).step == "anchor.state"


def test_a_crash_is_settled_once(installation: Installation, identity: str) -> None:
    """Of two ends that were possible, the one that was opened counts: the other is refused from then on."""
    opened = installation.open()
    commit(opened, "k1")
    before = installation.keep()
    commit(opened, "k2")
    after = installation.keep()
    opened.engine.close()
    installation.put_back(before)
    assert opened_keys(installation) == ["k1"]
    installation.put_back(after, "data")
    assert refused(installation).step == "anchor.state"


def test_a_crash_between_the_first_commit_and_its_anchor_needs_nobody(
    installation: Installation, identity: str
) -> None:
    """The anchor says "stopped" in one slot and "running" in the other, both of one state."""
    installation.live("k1")
    master = open_master(installation.data, SEALING)
    with closing(FileAnchor(installation.anchor, master)) as anchor:
        anchor.write(anchor.state, running=True)
    before = installation.keep()
    opened = installation.open()
    started = installation.keep()
    opened.engine.close()
    installation.put_back(started, "data")
    installation.put_back(before, "anchors")
    assert opened_keys(installation) == ["k1"]


ANCHORS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing": ("anchor.missing", Path.unlink),
    "emptied": ("anchor.read", lambda path: path.write_bytes(b"")),
    "zeros": ("anchor.read", lambda path: path.write_bytes(bytes(1024))),
    "noise": ("anchor.read", lambda path: path.write_bytes(os.urandom(1024))),
}


@pytest.mark.parametrize(("step", "change"), ANCHORS.values(), ids=ANCHORS)
def test_a_lost_anchor_is_a_matter_for_the_board(
    installation: Installation, identity: str, step: str, change: Callable[[Path], object]
) -> None:
    installation.live("k1")
    change(installation.anchor)
    error = refused(installation)
    assert isinstance(error, UnconfirmedError)
    assert (error.code, error.step, '"anchor"' in error.report) == ("store.rolled_back", step, False)
    # Nothing was left locked.
    assert refused(installation).step == step


def test_another_custodians_anchor_is_no_anchor(installation: Installation, identity: str, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")
    other.init()
    shutil.copy(other.anchor, installation.anchor)
    assert refused(installation).step == "anchor.read"


@pytest.mark.parametrize(
    ("name", "kind", "step"),
    [
        (MASTER_FILE, StoreTamperedError, "store.value"),
        (STORE_FILE, StoreTamperedError, "store.value"),
    ],
)
def test_a_part_of_another_custodian_does_not_fit(
    installation: Installation, identity: str, tmp_path: Path, name: str, kind: type[StoreError], step: str
) -> None:
    """On one machine, under one manifest: the platform's key is the same for both."""
    other = Installation(tmp_path / "other")
    other.init()
    shutil.copy(other.data / name, installation.data / name)
    error = refused(installation)
    assert (type(error), error.step) == (kind, step)


def test_another_runtime_gets_another_key(installation: Installation, identity: str) -> None:
    with pytest.raises(StoreKeyError) as error:
        open_state(installation.data, installation.anchor, bytes(32))
    assert error.value.step == "keys.master"


@pytest.mark.parametrize(("name", "step"), [(MASTER_FILE, "keys.master"), (STORE_FILE, "store.open")])
def test_a_missing_file_is_named(installation: Installation, identity: str, name: str, step: str) -> None:
    (installation.data / name).unlink()
    error = refused(installation)
    assert (error.step, error.remedy is not None) == (step, True)


def test_two_custodians_never_share_a_store(installation: Installation, identity: str) -> None:
    opened = installation.open()
    assert isinstance(refused(installation), StoreLockedError)
    commit(opened, "k1")
    opened.engine.stop()
    assert opened_keys(installation) == ["k1"]


def test_two_custodians_never_share_an_anchor(installation: Installation, identity: str, tmp_path: Path) -> None:
    """A copy of the data folder, started beside the original."""
    opened = installation.open()
    shutil.copytree(installation.data, tmp_path / "copy")
    with pytest.raises(StoreLockedError) as error:
        open_state(tmp_path / "copy", installation.anchor, SEALING)
    assert error.value.step == "anchor.lock"
    opened.engine.stop()


def test_a_clock_that_was_set_back_does_not_bring_time_back(installation: Installation, identity: str) -> None:
    times: list[float] = []
    for clock in (2e9, 1e9, 2.1e9, 0.0):
        opened = open_state(installation.data, installation.anchor, SEALING, lambda now=clock: now)
        commit(opened, "k1")
        times.append(opened.engine.now())
        opened.engine.stop()
    assert times == [2e9, 2e9, 2.1e9, 2.1e9]


def test_a_log_whose_middle_was_taken_out_is_noticed(installation: Installation, identity: str) -> None:
    installation.live("k1", "k2", "k3")
    with closing(sqlite3.connect(installation.data / STORE_FILE, isolation_level=None)) as connection:
        connection.execute("DELETE FROM log WHERE number = 2")
    opened = installation.open()
    with pytest.raises(StoreTamperedError) as error:
        list(opened.engine.store.audit())
    assert error.value.step == "store.log"
    opened.engine.close()
