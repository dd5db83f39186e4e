"""What ends soon, and whom it hits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casemate.endorsements.cache import Cache
from casemate.endorsements.outlook import Coming, outlook
from casemate.testing.amd.cases import build
from casemate.testing.amd.plan import right
from casemate.wire.fields import format_time
from casemate.wire.policies import DecisionAnswer

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LIST = "amd/milan/crl.der"


def decision(service: str, ends: Any, *, outcome: Any = "released", hardware: str = "aa") -> DecisionAnswer:
    return DecisionAnswer(
        id="0" * 40,
        time=NOW,
        outcome=outcome,
        policy="acme/records",
        genesis="sha256:" + "0" * 64,
        service=service,
        claims={"hardware": hardware, "ends": ends},
    )


def in_days(days: float) -> str:
    return format_time(NOW + timedelta(days=days))


def look(cache: Cache, *decisions: DecisionAnswer, days: int = 30) -> list[Coming]:
    return outlook(cache, decisions, (), at=NOW, within=timedelta(days=days))


def test_services_are_hit_by_what_their_newest_evidence_rests_on(cache: Cache) -> None:
    found = look(
        cache,
        decision("api", {LIST: in_days(12), "amd/milan/vcek": in_days(900)}),
        decision("web", {LIST: in_days(10)}),
        decision("api", {LIST: in_days(1)}),  # before the first, and forgotten
        decision("job", {LIST: in_days(2)}, outcome="denied"),
    )
    assert [(one.name, one.services) for one in found] == [(LIST, ("acme/records#api", "acme/records#web"))]
    assert found[0].end == NOW + timedelta(days=12)


def test_each_machine_of_a_service_counts(cache: Cache) -> None:
    found = look(cache, decision("api", {"a": in_days(3)}), decision("api", {"b": in_days(2)}, hardware="bb"))
    assert [one.name for one in found] == ["b", "a"]


def test_a_newer_one_in_the_cache_saves_them(cache: Cache) -> None:
    cache.put(LIST, build(right()).endorsements.crls[0])
    facts = cache.facts(LIST)
    assert facts is not None
    before = facts.end - timedelta(days=40)
    soon = format_time(before + timedelta(days=2))
    decisions = [decision("api", {LIST: soon})]
    assert outlook(cache, decisions, (), at=before, within=timedelta(days=30)) == []
    (coming,) = outlook(cache, decisions, (), at=before, within=timedelta(days=41))
    assert (coming.end, coming.services) == (facts.end, ("acme/records#api",))
    assert coming.what.startswith("revocation list")


def test_what_is_over_is_told_first(cache: Cache) -> None:
    found = look(cache, decision("api", {"a": in_days(5), "b": in_days(-3)}))
    assert [one.name for one in found] == ["b", "a"]


@pytest.mark.parametrize("ends", [None, [], "x", {"a": 1}, {"a": "soon"}, {"a": None}])
def test_what_no_custodian_says_is_passed_by(cache: Cache, ends: Any) -> None:
    assert look(cache, decision("api", ends)) == []
