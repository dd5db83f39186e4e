"""Frames between keeper and workers: what is one comes through whole, what is none is an error of ours."""

from __future__ import annotations

import asyncio
import marshal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.custodian.keeper import messages
from casemate.custodian.keeper.state import Compare, Delete, Item, Put, Transaction
from casemate.custodian.record import AuditEntry
from casemate.errors import CompareFailedError, StoreError, StoreTamperedError

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TRANSACTIONS = st.builds(
    Transaction,
    st.lists(st.builds(Compare, KEYS, st.none() | st.integers(1, 2**62)), max_size=4),
    st.lists(st.builds(Put, KEYS, st.binary(max_size=50)) | st.builds(Delete, KEYS), max_size=4),
    st.none() | st.builds(AuditEntry, KEYS, st.dictionaries(KEYS, KEYS | st.integers(), max_size=3)),
)


async def read(data: bytes) -> tuple[Any, ...] | None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await messages.read(reader)


@given(TRANSACTIONS)
def test_a_transaction_comes_through(transaction: Transaction) -> None:
    frame = messages.pack((1, "transact", messages.transaction_to(transaction)))
    received = asyncio.run(read(frame))
    assert received is not None
    assert messages.transaction_of(received[2]) == transaction


@pytest.mark.parametrize("item", [None, Item("key", b"value", 7)])
def test_an_item_comes_through(item: Item | None) -> None:
    assert messages.item_of(messages.item_to(item)) == item


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CompareFailedError("policies/x"), CompareFailedError),
        (StoreTamperedError("tampered", step="store.row", got="x", remedy="look"), StoreTamperedError),
        (StoreError("full", step="store.write"), StoreError),
    ],
)
def test_errors_come_through_with_their_reason(error: StoreError, kind: type[StoreError]) -> None:
    received = messages.error_of(messages.error_to(error))
    assert (type(received), received.message, received.step, received.got, received.remedy) == (
        kind,
        error.message,
        error.step,
        error.got,
        error.remedy,
    )


def test_a_compare_error_names_its_key_on_the_other_side() -> None:
    received = messages.error_of(messages.error_to(CompareFailedError("head")))
    assert isinstance(received, CompareFailedError)
    assert received.key == "head"


@pytest.mark.parametrize("length", range(12))
async def test_a_stream_that_ends_in_a_frame_just_ends(length: int) -> None:
    frame = messages.pack((1, "get", "key"))
    assert len(frame) > 12
    assert await read(frame[:length]) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff" * 40, marshal.dumps(7), marshal.dumps([1]), marshal.dumps(()), marshal.dumps((1,))[:-1]],
    ids=["nothing", "half", "noise", "a number", "a list", "an empty tuple", "cut short"],
)
async def test_a_frame_that_holds_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(StoreError) as refused:
        await read(len(body).to_bytes(4, "big") + body)
    assert refused.value.step == "keeper.frame"


async def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(StoreError, match="too large"):
        await read((messages.MAX_FRAME + 1).to_bytes(4, "big"))
    # At the limit it waits for the content, of which none comes.
    assert await read(messages.MAX_FRAME.to_bytes(4, "big")) is None


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(messages.pack((b"x" * 100,))) - 4
    monkeypatch.setattr(messages, "MAX_FRAME", size)
    messages.pack((b"x" * 100,))
    with pytest.raises(StoreError, match="too large"):
        messages.pack((b"x" * 101,))


@pytest.mark.parametrize(
    "message",
    [
        (),
        ([], []),
        7,
        ([("a",)], [], None),
        ([(7, None)], [], None),
        ([], [("a",)], None),
        ([], [(7, b"")], None),
        ([], [("a", "text")], None),
        ([], [("\ud800", b"")], None),
        ([], [("a", None), (None, None)], None),
        ([], [], ("kind",)),
        ([], [], (7, {})),
        ([], [], ("kind", [])),
    ],
)
def test_what_is_no_transaction_is_refused_before_it_meets_others(message: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        messages.transaction_of(message)
