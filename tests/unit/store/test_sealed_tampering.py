"""Root changes the database: rows, head and log, before a start and while the custodian runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from casemate.custodian.store.interface import Row
from casemate.custodian.store.sealed import SealedStore
from casemate.errors import StoreTamperedError
from casemate.testing.memory_store import MemoryStore

from .conftest import MASTER, commit, reopen

Change = Callable[[MemoryStore], None]


def _flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def _edit(key: str, **change: object) -> Change:
    def change_row(store: MemoryStore) -> None:
        store.rows[key] = replace(store.rows[key], **change)

    return change_row


def _bit(key: str, position: int) -> Change:
    def flip(store: MemoryStore) -> None:
        store.rows[key] = replace(store.rows[key], value=_flip(store.rows[key].value, position))

    return flip


def _swap(one: str, other: str) -> Change:
    def swap(store: MemoryStore) -> None:
        first, second = store.rows[one], store.rows[other]
        store.rows[one] = replace(first, value=second.value, revision=second.revision)
        store.rows[other] = replace(second, value=first.value, revision=first.revision)

    return swap


def _move(one: str, other: str) -> Change:
    def move(store: MemoryStore) -> None:
        store.rows[other] = replace(store.rows.pop(one), key=other)

    return move


def _log(change: Callable[[list[bytes]], object]) -> Change:
    def change_log(store: MemoryStore) -> None:
        change(store.log)

    return change_log


ROWS = {
    "a row removed": lambda store: store.rows.pop("row/only/1"),
    "a row invented": lambda store: store.rows.update({"row/new": Row("row/new", store.rows["row/changed"].value, 1)}),
    "a row under another name": _move("row/only/1", "row/only/9"),
    "two rows swapped": _swap("row/only/1", "row/only/2"),
    "a newer revision": _edit("row/only/1", revision=3),
    "an older revision": _edit("row/changed", revision=1),
    "a bit of a value": _bit("row/changed", -1),
    "a bit of a nonce": _bit("row/changed", 40),
    "a bit of an epoch": _bit("row/changed", 5),
    "another format": _bit("row/changed", 0),
    "a value cut short": _edit("row/changed", value=b"\x01"),
    "a value emptied": _edit("row/changed", value=b""),
}
HEAD = {
    "the head removed": ("store.head", lambda store: store.rows.pop("head")),
    "the head's revision": ("store.head", _edit("head", revision=2)),
    "a bit of the head": ("store.value", _bit("head", 60)),
    "a row as head": ("store.value", lambda store: store.rows.update(head=store.rows["row/changed"])),
    "a head cut short": ("store.value", _edit("head", value=b"\x01" * 20)),
}
LOG = {
    "its end cut off": ("audit.length", _log(list.pop)),
    "an entry repeated": ("audit.length", _log(lambda log: log.append(log[-1]))),
    "everything removed": ("audit.length", _log(list.clear)),
    "its last entry changed": ("store.value", _log(lambda log: log.append(_flip(log.pop(), -1)))),
    "its last two exchanged": ("store.value", _log(lambda log: log.insert(-1, log.pop()))),
}


@pytest.mark.parametrize("change", ROWS.values(), ids=ROWS)
def test_changed_rows_are_refused_at_the_start(raw: MemoryStore, change: Change) -> None:
    change(raw)
    with pytest.raises(StoreTamperedError) as refused:
        reopen(raw)
    assert refused.value.step == "store.root"


@pytest.mark.parametrize(("step", "change"), HEAD.values(), ids=HEAD)
def test_a_changed_head_is_refused_at_the_start(raw: MemoryStore, step: str, change: Change) -> None:
    change(raw)
    with pytest.raises(StoreTamperedError) as refused:
        reopen(raw)
    assert refused.value.step == step


@pytest.mark.parametrize(("step", "change"), LOG.values(), ids=LOG)
def test_a_log_with_another_end_is_refused_at_the_start(raw: MemoryStore, step: str, change: Change) -> None:
    change(raw)
    with pytest.raises(StoreTamperedError) as refused:
        reopen(raw)
    assert refused.value.step == step


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("store.value", lambda log: log.insert(0, log.pop(1))),
        ("store.value", lambda log: log.__setitem__(0, log[1])),
        ("store.value", lambda log: log.__setitem__(0, _flip(log[0], 50))),
    ],
    ids=["reordered", "repeated", "changed"],
)
def test_a_log_changed_in_its_middle_is_noticed_by_who_reads_it(
    raw: MemoryStore, step: str, change: Callable[[list[bytes]], object]
) -> None:
    change(raw.log)
    with pytest.raises(StoreTamperedError) as refused:
        list(reopen(raw).audit())
    assert refused.value.step == step


@pytest.mark.parametrize("key", ["row/changed", "row/only/1"])
def test_yesterdays_row_is_refused_while_running(raw: MemoryStore, key: str) -> None:
    yesterday = copy.copy(raw.rows)
    commit(reopen(raw), **{key.removeprefix("row/"): b"today"})
    running = reopen(raw)
    raw.rows[key] = yesterday[key]
    with pytest.raises(StoreTamperedError) as refused:
        running.get(key.removeprefix("row/"))
    assert refused.value.step == "store.row"


@pytest.mark.parametrize("change", [ROWS["a row removed"], _edit("row/only/1", revision=2)], ids=["hidden", "newer"])
def test_a_row_that_changes_while_running_is_refused(raw: MemoryStore, change: Change) -> None:
    running = reopen(raw)
    change(raw)
    with pytest.raises(StoreTamperedError) as refused:
        running.range("only/", limit=9)
    assert refused.value.step == "store.row"


def test_a_row_of_an_abandoned_branch_is_refused_even_with_the_same_revision(raw: MemoryStore) -> None:
    """Two rows were sealed genuinely as revision 4: one before the board put back an older store, one after."""
    branch = copy.deepcopy(raw)
    commit(reopen(branch), secret=b"revoked")
    commit(reopen(raw), secret=b"granted")
    running = reopen(raw)
    assert branch.rows["row/secret"].revision == raw.rows["row/secret"].revision
    raw.rows["row/secret"] = branch.rows["row/secret"]
    with pytest.raises(StoreTamperedError) as refused:
        running.get("secret")
    assert refused.value.step == "store.row"


@pytest.mark.parametrize("kind", ["head", "log"])
def test_an_entry_of_an_abandoned_branch_is_refused(raw: MemoryStore, kind: str) -> None:
    branch = copy.deepcopy(raw)
    commit(reopen(branch), a=b"one")
    commit(reopen(raw), a=b"other")
    if kind == "head":
        raw.rows["head"] = branch.rows["head"]
    else:
        # Same number, same content but for the entry before it: only the chain tells them apart.
        raw.log[-1] = _fourth_entry_of_another_life()
    with pytest.raises(StoreTamperedError) as refused:
        reopen(raw)
    assert refused.value.step == {"head": "store.root", "log": "audit.end"}[kind]


def _fourth_entry_of_another_life() -> bytes:
    store = MemoryStore()
    sealed = SealedStore.create(store, MASTER)
    for _ in range(4):
        commit(sealed)
    return store.log[-1]


def test_a_log_that_is_cut_while_running_stops_the_next_commit(raw: MemoryStore) -> None:
    running = reopen(raw)
    raw.log.pop()
    with pytest.raises(StoreTamperedError) as refused:
        commit(running, a=b"more")
    assert refused.value.step == "audit.length"


def test_a_log_that_is_cut_while_running_is_noticed_by_who_reads_it(raw: MemoryStore) -> None:
    running = reopen(raw)
    raw.log.pop()
    with pytest.raises(StoreTamperedError) as refused:
        list(running.audit())
    assert (refused.value.step, refused.value.got) == ("audit.chain", "2")


def test_a_second_writer_is_noticed(raw: MemoryStore) -> None:
    one, other = reopen(raw), reopen(raw)
    commit(one, a=b"one")
    # The log alone would not tell.
    raw.log.pop()
    with pytest.raises(StoreTamperedError) as refused:
        commit(other, a=b"other")
    assert refused.value.step == "store.head"


def test_another_custodians_store_is_refused(raw: MemoryStore) -> None:
    with pytest.raises(StoreTamperedError) as refused:
        SealedStore.open(raw, bytes(32))
    assert refused.value.step == "store.value"
