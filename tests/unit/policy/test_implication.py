"""Whether one rule is at least as strong as another, against the definition."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings

from casemate.policy._implication import MAX_SETS, TooInvolvedError, is_as_strong

from .test_rules import NAMES, RULES, brute_force, rule

EVERYBODY = [set(chosen) for size in range(len(NAMES) + 1) for chosen in combinations(NAMES, size)]


def known(value: Any) -> Any:
    """The rule without strangers: a document names nobody whom it does not have."""
    if isinstance(value, str):
        return value if value in NAMES else NAMES[0]
    return {name: part if name == "at_least" else [known(member) for member in part] for name, part in value.items()}


@settings(deadline=None)
@given(RULES.map(known), RULES.map(known))
def test_a_rule_is_as_strong_exactly_if_all_who_satisfy_it_satisfy_the_other(one: Any, other: Any) -> None:
    holds = all(brute_force(other, signed) for signed in EVERYBODY if brute_force(one, signed))
    assert is_as_strong(rule(one), rule(other)) == holds


@pytest.mark.parametrize(
    "value",
    [
        {"at_least": 32, "of": [f"p{number}" for number in range(64)]},
        {"all": [{"any": [f"p{number}-{other}" for other in range(8)]} for number in range(8)]},
        {"any": [{"all": [{"any": [f"p{x}-{y}-{z}" for z in range(5)]} for y in range(5)]} for x in range(8)]},
    ],
)
def test_what_cannot_be_tried_is_told_and_never_let_through(value: Any) -> None:
    with pytest.raises(TooInvolvedError):
        is_as_strong(rule(value), rule({"any": ["p0"]}))
    assert is_as_strong(rule(value), rule(value)), "the same rule needs no trying"


def test_rules_of_usual_size_are_tried() -> None:
    people = [f"p{number}" for number in range(14)]
    seven = rule({"at_least": 7, "of": people})
    assert is_as_strong(seven, rule({"at_least": 6, "of": people}))
    assert not is_as_strong(seven, rule({"at_least": 8, "of": people}))
    assert MAX_SETS >= 3432
