"""Nonces: ours, young, unforgeable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.custodian.challenges import LIFETIME_SECONDS, Challenges
from casemate.custodian.problems import Refusal

NOW = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
CHALLENGES = Challenges(bytes(range(32)))


def test_a_nonce_is_32_bytes_and_never_the_same() -> None:
    nonces = {CHALLENGES.issue(NOW) for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {32}


def test_a_nonce_is_good_until_its_last_second_and_not_longer() -> None:
    nonce = CHALLENGES.issue(NOW)
    last = NOW + timedelta(seconds=LIFETIME_SECONDS)
    assert CHALLENGES.check(nonce, NOW) == last
    assert CHALLENGES.check(nonce, last) == last
    with pytest.raises(Refusal, match=r"nonce\.refused"):
        CHALLENGES.check(nonce, last + timedelta(milliseconds=1))


def test_a_nonce_of_the_future_is_refused() -> None:
    nonce = CHALLENGES.issue(NOW + timedelta(seconds=6))
    with pytest.raises(Refusal, match=r"nonce\.refused"):
        CHALLENGES.check(nonce, NOW)


def test_a_nonce_of_another_start_is_refused() -> None:
    with pytest.raises(Refusal, match=r"nonce\.refused"):
        CHALLENGES.check(Challenges(bytes(32)).issue(NOW), NOW)


@given(bit=st.integers(0, 255))
def test_a_nonce_with_any_bit_changed_is_refused(bit: int) -> None:
    nonce = bytearray(CHALLENGES.issue(NOW))
    nonce[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refusal, match=r"nonce\.refused"):
        CHALLENGES.check(bytes(nonce), NOW)


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(Refusal, match=r"nonce\.refused"):
        CHALLENGES.check(data, NOW)


def test_the_key_is_whole_and_never_printed() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Challenges(bytes(31))
    assert repr(CHALLENGES) == "Challenges(key=<redacted>)"
