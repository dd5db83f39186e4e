"""The sealed store in use: what is read, what is kept in memory, how much one answer holds."""

from __future__ import annotations

import pytest

from casemate.custodian.record import AuditEntry
from casemate.custodian.store import sealed as module
from casemate.custodian.store.sealed import SealedStore, Value
from casemate.errors import StoreError
from casemate.testing.memory_store import MemoryStore

from .conftest import MASTER, NOW, commit, reopen


@pytest.fixture
def sealed() -> SealedStore:
    return SealedStore.create(MemoryStore(), MASTER)


def test_values_come_back_with_their_revision(sealed: SealedStore) -> None:
    assert (commit(sealed, a=b"one", b=b"one"), commit(sealed, a=b"two", b=None)) == (1, 2)
    assert sealed.get("a") == Value("a", b"two", 2)
    assert (sealed.get("b"), sealed.revision("b"), sealed.revision("a")) == (None, None, 2)


def test_everything_is_there_after_reopening(raw: MemoryStore) -> None:
    before, opened = SealedStore.open(raw, MASTER), reopen(raw)
    assert opened.state == before.state
    assert opened.get("changed") == Value("changed", b"value 3", 3)
    assert [value.key for value in opened.range("", limit=9)] == ["changed", "only/1", "only/2", "only/3"]
    assert [entry.facts["number"] for entry in opened.audit()] == [1, 2, 3]


def test_nothing_that_is_stored_can_be_read_without_the_key(sealed: SealedStore, raw: MemoryStore) -> None:
    stored = b"".join(row.value for row in raw.rows.values()) + b"".join(raw.log)
    assert not [text for text in (b"value", b"once", b"number") if text in stored]


def test_equal_values_look_different(sealed: SealedStore) -> None:
    store = MemoryStore()
    opened = SealedStore.create(store, MASTER)
    commit(opened, a=b"same", b=b"same")
    commit(opened, c=b"same")
    assert len({store.rows[f"row/{key}"].value for key in "abc"}) == 3


def test_a_store_that_is_not_empty_is_not_made_anew(raw: MemoryStore) -> None:
    with pytest.raises(StoreError) as refused:
        SealedStore.create(raw, MASTER)
    assert refused.value.step == "store.create"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"limit": 9}, "1234"),
        ({"limit": 2}, "12"),
        ({"limit": 0}, ""),
        ({"limit": 2, "after": "k/2"}, "34"),
        ({"limit": 9, "after": "k/2x"}, "34"),
        ({"limit": 2, "reverse": True}, "43"),
        ({"limit": 9, "reverse": True, "after": "k/3"}, "21"),
        ({"limit": 9, "reverse": True, "after": "k/1"}, ""),
    ],
)
def test_ranges_go_on_where_the_last_ended(sealed: SealedStore, options: dict[str, object], found: str) -> None:
    commit(sealed, **{f"k/{number}": b"" for number in (3, 1, 4, 2)}, j=b"", l=b"")
    assert "".join(value.key[2:] for value in sealed.range("k/", **options)) == found


def test_one_answer_holds_a_bounded_number_of_bytes(sealed: SealedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RANGE_BYTES", 100)
    commit(sealed, a=b"x" * 40, b=b"x" * 60, c=b"x", d=b"x" * 500, e=b"x")
    pages, after = [], None
    while page := sealed.range("", limit=9, after=after):
        pages.append("".join(value.key for value in page))
        after = page[-1].key
    # Up to the limit together; one that is over it alone is told nevertheless.
    assert pages == ["ab", "c", "d", "e"]


def test_a_value_that_the_cache_does_not_hold_is_read_again(raw: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_BYTES", 600)
    opened = reopen(raw)
    for _ in range(2):
        assert [opened.get(f"only/{number}").value for number in (1, 2, 3)] == [b"once"] * 3


def test_a_commit_that_failed_changed_nothing(sealed: SealedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(sealed, a=b"one")
    before = sealed.state

    def full(*_: object) -> bool:
        raise StoreError("the disk is full", step="store.write")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "transaction", full)
        with pytest.raises(StoreError):
            commit(sealed, a=b"two", b=b"two")
    assert (sealed.state, sealed.get("a"), sealed.get("b")) == (before, Value("a", b"one", 1), None)
    assert commit(sealed, b=b"three") == 2


def test_the_state_changes_with_every_commit_and_names_the_one_before(sealed: SealedStore) -> None:
    states = [sealed.state]
    for _ in range(3):
        sealed.commit({}, [], NOW)
        assert sealed.previous == states[-1]
        states.append(sealed.state)
    assert [state.sequence for state in states] == [0, 1, 2, 3]
    assert len({state.state for state in states}) == 4


def test_the_state_does_not_depend_on_the_way_to_it_but_on_the_record() -> None:
    def state(entry: str) -> str:
        sealed = SealedStore.create(MemoryStore(), MASTER)
        sealed.commit({}, [AuditEntry(entry)], NOW)
        return sealed.state.state

    assert state("one") == state("one") != state("other")


def test_values_do_not_show_in_messages(sealed: SealedStore) -> None:
    commit(sealed, a=b"secret")
    assert "secret" not in repr(sealed.get("a"))
