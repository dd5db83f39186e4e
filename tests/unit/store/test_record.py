"""The audit log's chain, the cipher of values, the state root."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.custodian.record import FIRST, AuditEntry, ChainedEntry, ChainReader, chain
from casemate.custodian.store.cipher import ValueCipher, derived_key
from casemate.custodian.store.root import MODULUS, row_term, state_digest
from casemate.errors import StoreTamperedError

from .conftest import MASTER, NOW

NAMES = {"label": b"label", "what": b"what", "number": 7}


@pytest.fixture
def log() -> list[bytes]:
    entries, previous = [], FIRST
    for number in range(4):
        data, previous = chain(AuditEntry("test", {"n": number}), number=number, previous=previous, time=NOW)
        entries.append(data)
    return entries


def read(entries: list[bytes]) -> tuple[ChainReader, list[ChainedEntry]]:
    reader = ChainReader()
    return reader, [reader.read(data) for data in entries]


def test_a_whole_log_is_read_in_order(log: list[bytes]) -> None:
    reader, entries = read(log)
    assert [(entry.number, entry.kind, entry.facts["n"], entry.time) for entry in entries] == [
        (number, "test", number, NOW) for number in range(4)
    ]
    reader.finish(count=4, head=reader.head)


@pytest.mark.parametrize(
    ("order", "broken"),
    [((1, 2, 3), 0), ((0, 2, 3), 1), ((0, 1, 1), 2), ((0, 2, 1, 3), 1), ((3, 2, 1, 0), 0), ((0, 1, 2, 3, 3), 4)],
    ids=["first missing", "one missing", "repeated", "exchanged", "reversed", "repeated at the end"],
)
def test_the_first_entry_that_is_not_the_next_is_named(log: list[bytes], order: tuple[int, ...], broken: int) -> None:
    with pytest.raises(StoreTamperedError) as refused:
        read([log[number] for number in order])
    assert (refused.value.step, refused.value.got) == ("audit.chain", str(broken))


def test_an_entry_of_another_chain_is_refused(log: list[bytes]) -> None:
    other, _ = chain(AuditEntry("other"), number=2, previous=FIRST, time=NOW)
    with pytest.raises(StoreTamperedError) as refused:
        read([log[0], log[1], other])
    assert refused.value.got == "2"


def test_an_entry_with_another_number_is_refused(log: list[bytes]) -> None:
    reader, _ = read(log[:2])
    numbered, _ = chain(AuditEntry("test"), number=7, previous=reader.head, time=NOW)
    with pytest.raises(StoreTamperedError) as refused:
        reader.read(numbered)
    assert refused.value.got == "2"


@pytest.mark.parametrize("count", [0, 3])
def test_a_log_that_ends_early_is_refused(log: list[bytes], count: int) -> None:
    whole, _ = read(log)
    reader, _ = read(log[:count])
    with pytest.raises(StoreTamperedError) as refused:
        reader.finish(count=4, head=whole.head)
    assert refused.value.got == str(count)


def test_another_end_of_the_same_length_is_refused(log: list[bytes]) -> None:
    reader, _ = read(log)
    with pytest.raises(StoreTamperedError):
        reader.finish(count=4, head=FIRST)


def test_entries_hold_whole_seconds_in_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    data, _ = chain(AuditEntry("test"), number=0, previous=FIRST, time=moment)
    assert b'"time":"2026-01-02T03:04:05Z"' in data


@given(st.binary(max_size=200))
def test_a_value_opens_under_its_own_names_only(value: bytes) -> None:
    cipher = ValueCipher(MASTER)
    sealed = cipher.seal(value, **NAMES)
    assert ValueCipher(MASTER).open(sealed, **NAMES) == value
    for change in ({"label": b"labe"}, {"what": b"lwhat"}, {"number": 8}):
        with pytest.raises(StoreTamperedError):
            cipher.open(sealed, **{**NAMES, **change})


@given(st.binary(max_size=120))
def test_no_bytes_open(data: bytes) -> None:
    with pytest.raises(StoreTamperedError) as refused:
        ValueCipher(MASTER).open(data, **NAMES)
    assert refused.value.step == "store.value"


@pytest.mark.parametrize("position", [0, 1, 32, 33, 44, 45, -1])
def test_a_changed_byte_does_not_open(position: int) -> None:
    cipher = ValueCipher(MASTER)
    sealed = bytearray(cipher.seal(b"value", **NAMES))
    sealed[position] ^= 1
    with pytest.raises(StoreTamperedError):
        cipher.open(bytes(sealed), **NAMES)


def test_nothing_is_sealed_twice_with_one_nonce() -> None:
    ciphers = [ValueCipher(MASTER) for _ in range(3)]
    sealed = [cipher.seal(b"", **NAMES) for cipher in ciphers for _ in range(50)]
    # Epoch and nonce together: a start after a rollback, and a clone, have an epoch of their own.
    assert len({data[1:45] for data in sealed}) == 150
    assert len({data[1:33] for data in sealed}) == 3


def test_keys_for_different_purposes_differ() -> None:
    keys = {derived_key(MASTER, b"a"), derived_key(MASTER, b"b"), derived_key(MASTER, b"a", b"s"), MASTER}
    assert len(keys) == 4


def test_a_term_depends_on_key_name_revision_and_value() -> None:
    base = (bytes(32), "name", 1, b"sealed")
    terms = {row_term(*base)} | {
        row_term(*base[:position], other, *base[position + 1 :])  # type: ignore[arg-type]
        for position, other in enumerate((bytes(31) + b"\1", "nam", 2, b"seale"))
    }
    assert len(terms) == 5
    assert all(0 <= term < MODULUS for term in terms)


def test_a_digest_depends_on_every_part_of_the_state() -> None:
    base = (1, 2, 3, FIRST)
    changed = [(2, 2, 3, FIRST), (1, 3, 3, FIRST), (1, 2, 4, FIRST), (1, 2, 3, FIRST[:-1] + "1")]
    assert len({state_digest(*parts) for parts in [base, *changed]}) == 5
