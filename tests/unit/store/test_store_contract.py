"""What any store promises to the seal around it."""

from __future__ import annotations

import pytest

from casemate.custodian.store.interface import Row, Store, Write


def put(store: Store, revision: int, **values: bytes | None) -> bool:
    return store.transaction([], [Write(key, value) for key, value in values.items()], [], revision)


def test_what_was_written_is_found_with_its_revision(store: Store) -> None:
    assert (put(store, 1, a=b"one"), put(store, 2, a=b"two", b=b"")) == (True, True)
    assert store.get("a") == Row("a", b"two", 2)
    assert store.get("b") == Row("b", b"", 2)
    assert store.get("c") is None


def test_what_was_deleted_is_gone(store: Store) -> None:
    put(store, 1, a=b"one", b=b"one")
    assert put(store, 2, a=None, never=None)
    assert (store.get("a"), [row.key for row in store.range("")]) == (None, ["b"])


def test_range_is_ordered_and_ends_with_its_prefix(store: Store) -> None:
    put(store, 1, **dict.fromkeys(("b/2", "b/10", "b/1", "a", "b", "b0", "c", "b/ü"), b""))
    assert [row.key for row in store.range("b/")] == ["b/1", "b/10", "b/2", "b/ü"]


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        ([("a", 1)], True),
        ([("nothing", None)], True),
        ([("a", 1), ("nothing", None)], True),
        ([("a", 2)], False),
        ([("a", None)], False),
        ([("nothing", 1)], False),
        ([("a", 1), ("nothing", 1)], False),
    ],
)
def test_a_transaction_needs_every_compare(store: Store, compare: list[tuple[str, int | None]], holds: bool) -> None:
    put(store, 1, a=b"one")
    assert store.transaction(compare, [Write("b", b"two"), Write("a", None)], [b"entry"], 2) is holds
    assert (store.get("b") is not None, store.get("a") is None, store.log_length()) == (holds, holds, int(holds))


def test_the_log_grows_in_order(store: Store) -> None:
    assert store.log_length() == 0
    store.transaction([], [], [b"0", b"1"], 1)
    store.transaction([], [], [b"2"], 2)
    assert store.log_length() == 3
    assert (list(store.log_entries(0)), list(store.log_entries(2)), list(store.log_entries(3))) == (
        [b"0", b"1", b"2"],
        [b"2"],
        [],
    )


def test_watch_tells_what_is_newer_below_a_prefix(store: Store) -> None:
    put(store, 1, **{"a/1": b"old", "a/2": b"old", "b/1": b"old"})
    put(store, 2, **{"a/2": b"new", "b/2": b"new"})
    put(store, 3, **{"a/0": b"newest", "a/1": None})
    assert store.watch("a/", 1) == [Row("a/0", b"newest", 3), Row("a/2", b"new", 2)]
    assert store.watch("a/", 2) == [Row("a/0", b"newest", 3)]
    assert store.watch("", 3) == []
    assert [row.key for row in store.watch("", 0)] == ["a/0", "a/2", "b/1", "b/2"]
