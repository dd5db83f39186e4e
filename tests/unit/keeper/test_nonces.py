from __future__ import annotations

import pytest

from casemate.custodian.keeper import nonces as module
from casemate.custodian.keeper.nonces import Nonces


def test_a_nonce_is_spent_once() -> None:
    nonces = Nonces()
    assert [nonces.spend(b"a", 60, 0), nonces.spend(b"a", 60, 1), nonces.spend(b"b", 60, 1)] == [True, False, True]


@pytest.mark.parametrize(("now", "fresh"), [(59.9, True), (60.0, True), (60.1, False), (1e9, False)])
def test_a_nonce_that_ended_is_refused(now: float, fresh: bool) -> None:
    assert Nonces().spend(b"a", 60, now) is fresh


def test_a_spent_nonce_is_forgotten_only_when_it_could_not_be_used_any_more() -> None:
    nonces = Nonces()
    assert nonces.spend(b"a", 60, 0)
    assert not nonces.spend(b"a", 60, 60)
    assert not nonces.spend(b"a", 60, 60.1)


def test_longer_ones_do_not_keep_shorter_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NONCES", 2)
    nonces = Nonces()
    assert nonces.spend(b"long", 100, 0)
    assert nonces.spend(b"short", 10, 0)
    # Full: refused rather than remembered by halves.
    assert not nonces.spend(b"third", 100, 5)
    assert nonces.spend(b"third", 100, 11)
    assert not nonces.spend(b"long", 100, 11)
