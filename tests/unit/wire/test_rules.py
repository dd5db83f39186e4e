"""Access rules and principals as they travel. What they mean, and whom they may name, is `casemate.policy`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from casemate.wire.rules import MAX_MEMBERS, AllRule, AnyRule, AtLeastRule, Principal, Rule

RULE: TypeAdapter[Any] = TypeAdapter(Rule)
NAMES = [f"p{number}" for number in range(MAX_MEMBERS)]


def test_rules_nest_and_keep_their_kinds() -> None:
    rule = RULE.validate_python({"any": ["a", {"all": ["b", {"at_least": 1, "of": ["c"]}]}]})
    assert isinstance(rule, AnyRule)
    inner = rule.any_[1]
    assert isinstance(inner, AllRule)
    assert isinstance(inner.all_[1], AtLeastRule)
    assert rule.to_object() == {"any": ["a", {"all": ["b", {"at_least": 1, "of": ["c"]}]}]}


@pytest.mark.parametrize(
    "rule",
    [
        {"any": []},
        {"all": []},
        {"at_least": 1, "of": []},
        {"any": [*NAMES, "one-more"]},
        {"at_least": 0, "of": ["a"]},
        {"at_least": 2, "of": ["a"]},
        {"at_least": True, "of": ["a"]},
        {"at_least": "1", "of": ["a"]},
        {"at_least": 1, "any": ["a"]},
        {"any": ["a"], "all": ["a"]},
        {"of": ["a"]},
        {"none": ["a"]},
        {"any": "a"},
        {"any": [["a"]]},
        {"any": ["A"]},
        {"any": ["a" * 64]},
        {"any": ["a\n"]},
        {"any": [1]},
        {"any": [None]},
        {},
        [],
        "a",
        None,
    ],
    ids=repr,
)
def test_what_is_no_rule_is_refused(rule: object) -> None:
    with pytest.raises(ValidationError):
        RULE.validate_python(rule)


def test_lists_of_members_are_taken_at_their_limit() -> None:
    assert len(RULE.validate_python({"any": NAMES}).any_) == MAX_MEMBERS
    assert RULE.validate_python({"at_least": MAX_MEMBERS, "of": NAMES}).at_least == MAX_MEMBERS


def test_a_principal_has_a_key_and_nothing_else() -> None:
    key = "ed25519:" + "A" * 43
    assert Principal.model_validate({"key": key}).key == key
    for value in ({}, {"key": key, "name": "x"}, {"key": key + "="}, {"key": "x25519:" + "A" * 43}):
        with pytest.raises(ValidationError):
            Principal.model_validate(value)
