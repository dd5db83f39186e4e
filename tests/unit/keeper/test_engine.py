"""Batches, failures between store and anchor, and time."""

from __future__ import annotations

import pytest

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import FLOOR_KEY, FLOOR_SECONDS, Engine
from casemate.custodian.keeper.state import Item, Transaction
from casemate.custodian.record import AuditEntry, ChainReader
from casemate.errors import CompareFailedError, StoreError, StoreTamperedError
from casemate.testing.memory_store import MemoryStore

from .conftest import MASTER, Machine, delete, put


def codes(results: list[int | StoreError]) -> list[int | str]:
    return [result if isinstance(result, int) else f"{result.step} {result.got}" for result in results]


def anchored(machine: Machine) -> tuple[int, bool]:
    found = FileAnchor(machine.folder / "anchor", MASTER)
    found.close()
    return found.state.sequence, found.stopped_cleanly


def test_a_batch_is_one_revision_and_each_gets_its_own_answer(engine: Engine) -> None:
    assert codes(engine.apply([put("a"), put("b", nothing=3), put("c")])) == [1, "store.compare nothing", 1]
    assert (engine.get("a"), engine.get("b")) == (Item("a", b"a", 1), None)


def test_later_transactions_of_a_batch_see_the_earlier_ones(engine: Engine) -> None:
    batch = [put("a"), put("x", a=None), put("y", a=1), delete("a", a=1), put("z", a=1), put("w", a=None)]
    assert codes(engine.apply(batch)) == [1, "store.compare a", 1, 1, "store.compare a", 1]
    assert [item.key for item in engine.range("", limit=9, after=None, reverse=False)] == [FLOOR_KEY, "w", "y"]


def test_of_two_with_the_same_compare_one_wins(engine: Engine) -> None:
    engine.apply([put("head")])
    assert codes(engine.apply([put("head", head=1), put("head", head=1)])) == [2, "store.compare head"]


def test_compares_alone_change_nothing(engine: Engine) -> None:
    engine.apply([put("a")])
    before = engine.store.state
    assert codes(engine.apply([put(a=1), put(a=7)])) == [1, "store.compare a"]
    assert (engine.store.state, engine.apply([])) == (before, [])


def test_a_transaction_that_lost_leaves_no_record(engine: Engine) -> None:
    engine.apply([put("a", record="won"), put("b", record="lost", a=9)])
    assert [entry.kind for entry in engine.store.audit()] == ["won"]


def test_what_is_acknowledged_is_anchored(machine: Machine, engine: Engine) -> None:
    engine.apply([put("a")])
    engine.close()
    assert anchored(machine) == (engine.store.state.sequence, False)
    machine.engine().stop()
    assert anchored(machine) == (engine.store.state.sequence + 1, True)


def break_anchor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the anchor cannot be written", step="anchor.write")

    monkeypatch.setattr(FileAnchor, "write", fail)


def test_a_failed_anchor_acknowledges_nothing_then_or_later(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        break_anchor(patch)
        assert codes(engine.apply([put("a"), put("b"), put("c", a=7)])) == ["anchor.write None"] * 3
    # The anchor would work again: nothing is taken before the store was opened anew.
    assert codes(engine.apply([put("d")])) == ["anchor.write None"]
    assert engine.failed is not None


@pytest.mark.parametrize(
    "read",
    [
        lambda engine: engine.get("a"),
        lambda engine: engine.range("", limit=1, after=None, reverse=False),
        lambda engine: engine.spend(b"nonce", 2e9),
        lambda engine: engine.read_log(ChainReader()),
        lambda engine: engine.keep_time(),
        lambda engine: engine.record(AuditEntry("test")),
    ],
    ids=["get", "range", "spend", "log", "time", "record"],
)
def test_what_was_not_acknowledged_is_not_told(
    engine: Engine, machine: Machine, monkeypatch: pytest.MonkeyPatch, read: object
) -> None:
    break_anchor(monkeypatch)
    engine.apply([put("a")])
    machine.clock.now += 100
    with pytest.raises(StoreError) as refused:
        read(engine)  # type: ignore[operator]
    assert refused.value.step == "anchor.write"


def test_after_a_failed_anchor_the_stop_is_not_called_clean(
    machine: Machine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.apply([put("a")])
    with monkeypatch.context() as patch:
        break_anchor(patch)
        engine.apply([put("b")])
    with pytest.raises(StoreError):
        engine.stop()
    assert anchored(machine) == (1, False)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise StoreError("the disk is full", step="store.write")

    monkeypatch.setattr(MemoryStore, "transaction", full)


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fill_disk(patch)
        assert codes(engine.apply([put("a"), put("b")])) == ["store.write None"] * 2
        assert (engine.failed, engine.get("a")) == (None, None)
    assert codes(engine.apply([put("a")])) == [1]


def test_a_stop_on_a_full_disk_is_not_called_clean(
    machine: Machine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that failed may lie on the disk all the same: after a clean stop it could never be accepted."""
    engine.apply([put("a")])
    fill_disk(monkeypatch)
    with pytest.raises(StoreError):
        engine.stop()
    assert anchored(machine) == (1, False)


def test_a_store_that_was_tampered_with_is_used_no_more(machine: Machine, engine: Engine) -> None:
    engine.apply([put("a"), put("b")])
    engine.close()
    running = machine.engine()
    machine.store.rows.pop("row/a")
    with pytest.raises(StoreTamperedError):
        running.get("a")
    with pytest.raises(StoreTamperedError):
        running.get("b")
    assert codes(running.apply([put("c")])) == ["store.row a"]
    with pytest.raises(StoreTamperedError):
        running.stop()
    assert anchored(machine) == (1, False)


def test_a_commit_into_a_changed_store_stops_the_engine(machine: Machine, engine: Engine) -> None:
    engine.apply([put("a")])
    machine.store.rows.pop("head")
    assert codes(engine.apply([put("b")])) == ["store.head None"]
    assert isinstance(engine.failed, StoreTamperedError)


@pytest.mark.parametrize("facts", [{"n": 1.5}, {"n": "\ud800"}, {"n": 2**60}])
def test_an_entry_that_is_no_json_is_refused_and_harms_nobody_later(engine: Engine, facts: dict[str, object]) -> None:
    assert codes(engine.apply([Transaction([], [], AuditEntry("bad", facts))])) == ["record.entry None"]
    assert (codes(engine.apply([put("a")])), engine.failed) == ([1], None)


def test_the_whole_log_is_read_a_page_at_a_time(engine: Engine) -> None:
    for _ in range(3):
        engine.apply([put(record="test") for _ in range(30)])
    reader, pages = ChainReader(), 0
    while engine.read_log(reader):
        pages += 1
    assert (reader.count, pages) == (90, 3)


def test_a_log_that_was_changed_in_its_middle_stops_the_engine(machine: Machine, engine: Engine) -> None:
    engine.apply([put(record="test") for _ in range(5)])
    machine.store.log[2], machine.store.log[3] = machine.store.log[3], machine.store.log[2]
    with pytest.raises(StoreTamperedError):
        engine.read_log(ChainReader())
    assert engine.failed is not None


def test_time_never_goes_back_while_running(machine: Machine, engine: Engine) -> None:
    times = []
    for step in (0, 10, -500, 5):
        machine.clock.now += step
        times.append(engine.now() - 1_000_000)
    assert times == [0, 10, 10, 10]


@pytest.mark.parametrize("passed", [0.0, 5.0, FLOOR_SECONDS - 1, FLOOR_SECONDS, 1000.0])
def test_time_goes_back_over_a_restart_by_less_than_the_step(machine: Machine, engine: Engine, passed: float) -> None:
    engine.apply([put("a")])
    machine.clock.now += passed
    engine.apply([put("b")])
    seen = engine.now()
    engine.close()
    machine.clock.now = 0.0
    again = machine.engine()
    assert 0 <= seen - again.now() < FLOOR_SECONDS
    again.close()


def test_a_custodian_that_decides_nothing_keeps_time(machine: Machine, engine: Engine) -> None:
    engine.apply([put("a")])
    before = engine.store.state.sequence
    machine.clock.now += FLOOR_SECONDS - 1
    engine.keep_time()
    assert engine.store.state.sequence == before
    machine.clock.now += 86_400
    engine.keep_time()
    seen = engine.now()
    engine.close()
    machine.clock.now = 0.0
    again = machine.engine()
    assert again.now() == seen
    again.close()


def test_a_clock_far_ahead_is_never_forgotten(machine: Machine, engine: Engine) -> None:
    machine.clock.now = 5e9
    engine.apply([put("a")])
    machine.clock.now = 1e6
    engine.apply([put("b")])
    assert engine.now() == 5e9


def test_a_compare_error_names_the_key(engine: Engine) -> None:
    (error,) = engine.apply([put("a", b=3)])
    assert isinstance(error, CompareFailedError)
    assert error.key == "b"
