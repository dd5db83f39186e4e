"""Rates, pending work and caches are bounded, at the limit and over it."""

from __future__ import annotations

import pytest

from casemate.custodian import limits
from casemate.custodian.limits import Buckets, Gate, Limits, classify
from casemate.custodian.limits_cache import SizedCache
from casemate.custodian.problems import Refusal
from casemate.custodian.settings import ATTESTATION_BODY_LIMIT, BODY_LIMIT, Rate, Settings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_gets_its_burst_and_not_one_more() -> None:
    buckets = Buckets(Rate(per_second=1, burst=3), Rate(per_second=100, burst=100), Clock())
    for _ in range(3):
        buckets.take("192.0.2.1")
    with pytest.raises(Refusal) as refused:
        buckets.take("192.0.2.1")
    assert (refused.value.code, refused.value.headers) == ("rate.limited", {"retry-after": "1"})


def test_tokens_come_back_with_time_but_never_beyond_the_burst() -> None:
    clock = Clock()
    buckets = Buckets(Rate(per_second=2, burst=2), Rate(per_second=100, burst=100), clock)
    for _ in range(2):
        buckets.take("192.0.2.1")
    clock.now += 3600
    for _ in range(2):
        buckets.take("192.0.2.1")
    with pytest.raises(Refusal, match=r"rate\.limited"):
        buckets.take("192.0.2.1")


def test_one_client_cannot_use_up_what_another_has() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), Rate(per_second=100, burst=100), Clock())
    buckets.take("192.0.2.1")
    with pytest.raises(Refusal):
        buckets.take("192.0.2.1")
    buckets.take("192.0.2.2")


def test_all_clients_together_are_bounded() -> None:
    buckets = Buckets(Rate(per_second=10, burst=10), Rate(per_second=1, burst=2), Clock())
    buckets.take("192.0.2.1")
    buckets.take("192.0.2.2")
    with pytest.raises(Refusal, match=r"rate\.limited"):
        buckets.take("192.0.2.3")


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), Rate(per_second=100, burst=100), Clock())
    buckets.take("2001:db8::1")
    with pytest.raises(Refusal):
        buckets.take("2001:db8::ffff")
    buckets.take("2001:db8:0:1::1")


def test_the_addresses_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CLIENTS", 3)
    buckets = Buckets(Rate(per_second=1, burst=1), Rate(per_second=100, burst=100), Clock())
    for n in range(10):
        buckets.take(f"192.0.2.{n}")
    assert len(buckets._clients) == 3


def test_pending_requests_are_bounded_and_places_come_back() -> None:
    gate = Gate(max_pending=1, max_bytes=100)
    with gate.enter():
        with pytest.raises(Refusal) as refused, gate.enter():
            pass
        assert (refused.value.code, refused.value.status) == ("service.busy", 503)
        assert refused.value.headers["retry-after"] == "1"
    with gate.enter():
        assert gate.pending == 1


def test_bytes_in_the_house_are_bounded_and_given_back() -> None:
    gate = Gate(max_pending=10, max_bytes=100)
    with gate.enter() as first, gate.enter() as second:
        first.grow(60)
        second.grow(40)
        with pytest.raises(Refusal, match=r"service\.busy"):
            second.grow(1)
    assert (gate.bytes, gate.pending) == (0, 0)


def test_probes_are_never_rate_limited_and_everything_else_is() -> None:
    one = Rate(per_second=1, burst=1)
    settings = Settings(
        challenges_per_client=one, attestations_per_client=one, policies_per_client=one, other_per_client=one
    )
    all_limits = Limits(settings, Clock())
    for _ in range(10):
        all_limits.take(classify("/healthz"), "192.0.2.1")
    for path in ("/v1/challenges", "/v1/attestations", "/v1/policies", "/nowhere"):
        all_limits.take(classify(path), "192.0.2.1")
        with pytest.raises(Refusal):
            all_limits.take(classify(path), "192.0.2.1")


def test_only_attestations_may_be_large() -> None:
    assert classify("/v1/attestations").body_limit == ATTESTATION_BODY_LIMIT
    for path in ("/v1/challenges", "/v1/policies", "/v1/policies/x/versions", "/v1/leases/x/renewals", "/x"):
        assert classify(path).body_limit == BODY_LIMIT


def test_a_cache_forgets_the_least_used_first_and_stays_within_its_bytes() -> None:
    cache: SizedCache[str, str] = SizedCache(100)
    cache.put("a", "A", 50)
    cache.put("b", "B", 50)
    assert cache.get("a") == "A"
    cache.put("c", "C", 50)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), cache.bytes) == ("A", None, "C", 100)


def test_a_cache_keeps_nothing_that_is_larger_than_itself_and_counts_a_replacement_once() -> None:
    cache: SizedCache[str, str] = SizedCache(100)
    cache.put("a", "A", 101)
    assert cache.get("a") is None
    cache.put("a", "A", 100)
    cache.put("a", "B", 60)
    assert (cache.get("a"), cache.bytes, len(cache)) == ("B", 60, 1)
