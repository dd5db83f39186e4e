from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.policy.rules import describe, named, satisfied
from casemate.wire.rules import Access, AllRule, AnyRule, AtLeastRule, Principal

NAMES = ["a", "b", "c", "d", "e"]
PRINCIPALS = {name: Principal(key="ed25519:" + name * 42 + "A") for name in NAMES}
KEY = {name: principal.key for name, principal in PRINCIPALS.items()}


def rule(value: Any) -> AnyRule | AllRule | AtLeastRule:
    return Access.model_validate({"read": value, "update": {"any": ["a"]}}).read


def lists(members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(members, min_size=1, max_size=4)
    thresholds = several.flatmap(lambda of: st.integers(1, len(of)).map(lambda needed: {"at_least": needed, "of": of}))
    return st.one_of(several.map(lambda of: {"any": of}), several.map(lambda of: {"all": of}), thresholds)


RULES = lists(st.recursive(st.sampled_from([*NAMES, "stranger"]), lists, max_leaves=8))


def brute_force(value: Any, signed: set[str]) -> bool:
    """By the definition: some choice of enough members, each of which holds by itself."""
    if isinstance(value, str):
        return value in signed and value in NAMES
    members = value.get("any") or value.get("all") or value["of"]
    needed = {"any": 1, "all": len(members)}.get(next(iter(value)), value.get("at_least"))
    return any(all(brute_force(member, signed) for member in chosen) for chosen in combinations(members, needed))


@given(RULES, st.sets(st.sampled_from(NAMES)))
def test_a_rule_holds_exactly_when_enough_of_its_members_do(value: Any, signed: set[str]) -> None:
    keys = frozenset(KEY[name] for name in signed)
    assert satisfied(rule(value), PRINCIPALS, keys) == brute_force(value, signed)


@given(RULES, st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_another_signature_never_takes_a_right_away(value: Any, signed: set[str], more: str) -> None:
    keys = frozenset(KEY[name] for name in signed)
    if satisfied(rule(value), PRINCIPALS, keys):
        assert satisfied(rule(value), PRINCIPALS, keys | {KEY[more]})


@given(RULES)
def test_without_signatures_nothing_holds(value: Any) -> None:
    assert not satisfied(rule(value), PRINCIPALS, frozenset())


def test_keys_of_strangers_do_not_count() -> None:
    stranger = "ed25519:" + "z" * 42 + "A"
    assert not satisfied(rule({"any": ["a", "stranger"]}), PRINCIPALS, frozenset({stranger}))
    assert not satisfied(rule({"at_least": 2, "of": ["a", "b"]}), PRINCIPALS, frozenset({stranger, KEY["a"]}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"any": ["a", "b"]}, "any of a, b"),
        ({"all": ["a", {"any": ["b", "c"]}]}, "all of a, (any of b, c)"),
        ({"at_least": 2, "of": ["a", "b", "c"]}, "2 of a, b, c"),
    ],
)
def test_rules_are_described_for_people(value: Any, text: str) -> None:
    assert describe(rule(value)) == text


def test_named_finds_principals_at_any_depth() -> None:
    assert named(rule({"all": ["a", {"at_least": 1, "of": ["b", {"any": ["c"]}]}]})) == {"a", "b", "c"}
