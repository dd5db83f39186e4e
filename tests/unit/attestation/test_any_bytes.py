"""Whatever bytes come as evidence or endorsements: claims, or an `EvidenceError`. Never another exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from casemate.attestation.platforms.sev_snp.table import build_certificate_table, parse_certificate_table
from casemate.errors import EvidenceError
from casemate.testing.amd.cases import Case, build, case
from casemate.testing.amd.plan import right

# The same case serves all examples of a test: it is frozen.
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MILAN = case("milan-vcek-v5")
VLEK = case("turin-vlek-v5")
VERSION_BYTE = 8


def outcome(given_case: Case) -> Any:
    """Claims, or None of a refusal. Anything else that is raised fails the test."""
    try:
        return given_case.judge()
    except EvidenceError:
        return None


@SLOW
@given(table=st.binary(max_size=400), lists=st.lists(st.binary(max_size=200), max_size=3))
def test_any_bytes_are_no_endorsements(table: bytes, lists: list[bytes]) -> None:
    assert outcome(MILAN.with_bytes(table=table)) is None
    assert outcome(MILAN.with_bytes(lists=lists)) is None


@SLOW
@given(data=st.data(), bits=st.integers(1, 255), vlek=st.booleans())
def test_a_changed_byte_of_the_table_gives_equal_claims_or_none(data: st.DataObject, bits: int, vlek: bool) -> None:
    sound = VLEK if vlek else MILAN
    table = bytearray(sound.endorsements.certificates)
    table[data.draw(st.integers(0, len(table) - 1))] ^= bits
    assert outcome(sound.with_bytes(table=bytes(table))) in (None, sound.judge())


def test_a_changed_byte_of_the_list_gives_equal_claims_or_none() -> None:
    sound = MILAN.endorsements.crls[0]
    for position in range(len(sound)):
        for bits in (0x01, 0x20, 0x80):
            changed = bytearray(sound)
            changed[position] ^= bits
            assert outcome(MILAN.with_bytes(lists=[bytes(changed)])) in (None, MILAN.judge())


@SLOW
@given(length=st.integers(0, 6000))
def test_a_table_that_was_cut_is_refused(length: int) -> None:
    whole = MILAN.endorsements.certificates
    if length < len(whole):
        assert outcome(MILAN.with_bytes(table=whole[:length])) is None


def _changed(position: int, bits: int) -> Callable[[bytes], bytes]:
    def change(signed: bytes) -> bytes:
        at = position % len(signed)
        return signed[:at] + bytes((signed[at] ^ bits,)) + signed[at + 1 :]

    return change


@pytest.mark.parametrize("part", ["ark", "intermediate", "leaf"])
@SLOW
@given(position=st.integers(0, 2000), bits=st.integers(1, 255))
@example(position=VERSION_BYTE, bits=1)
@example(position=112, bits=16)  # a name whose text is a bit string: in a report key's certificate,
@example(position=114, bits=16)  # in others
def test_a_vendor_that_signs_nonsense_gets_claims_or_a_refusal(part: str, position: int, bits: int) -> None:
    """Beyond the signatures: what the issuer really signed may be malformed too."""
    plan = right()
    changed = replace(getattr(plan, part), change=_changed(position, bits))
    outcome(build(replace(plan, **{part: changed})))


@SLOW
@given(position=st.integers(0, 2000), bits=st.integers(1, 255))
@example(position=107, bits=16)
def test_a_root_that_signs_a_nonsense_list_gets_claims_or_a_refusal(position: int, bits: int) -> None:
    plan = right()
    outcome(build(replace(plan, lists=[replace(plan.lists[0], change=_changed(position, bits))])))


@given(
    certificates=st.dictionaries(st.uuids(allow_nil=False), st.binary(max_size=100), max_size=8),
    tail=st.binary(max_size=50),
)
def test_tables_come_back_as_they_were(certificates: dict[Any, bytes], tail: bytes) -> None:
    table = build_certificate_table(certificates)
    assert parse_certificate_table(table) == certificates
    assert parse_certificate_table(table + tail) == certificates
