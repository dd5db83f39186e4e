"""Whether one access rule is at least as strong as another: whoever satisfies the first satisfies the second.

In general that takes as long as trying all sets of principals. The sets that just satisfy a rule are few for rules
that people write, so these are tried; a rule with more of them is told to be too involved, never let through.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

from casemate.policy.rules import AnyOfRules, members, satisfied
from casemate.wire.rules import AllRule, AnyRule, Member, Principal

__all__ = ["TooInvolvedError", "is_as_strong"]

MAX_SETS: Final = 4096
"""Any seven of fourteen people are 3,432."""

_Sets = list[frozenset[str]]


class TooInvolvedError(Exception):
    """The rule can be satisfied in more than `MAX_SETS` ways."""


def is_as_strong(rule: AnyOfRules, other: AnyOfRules) -> bool:
    """Whether every set of principals that satisfies `rule` satisfies `other`; `TooInvolvedError`."""
    if rule == other:
        return True
    # Adding somebody never turns satisfied into not satisfied, so the smallest sets decide.
    return all(_satisfies(names, other) for names in _sets(rule))


def _satisfies(names: frozenset[str], rule: AnyOfRules) -> bool:
    # Who signs is asked by name here: each name stands for a key of its own.
    principals = {name: Principal.model_construct(key=name) for name in names}
    return satisfied(rule, principals, names)


def _sets(member: Member) -> _Sets:
    """Sets of names that satisfy `member`, all smallest ones among them."""
    if isinstance(member, str):
        return [frozenset({member})]
    below = [_sets(inner) for inner in members(member)]
    needed = len(below) if isinstance(member, AllRule) else 1 if isinstance(member, AnyRule) else member.at_least
    # Before they are made: what is refused costs no more than what is not.
    _check(math.comb(len(below), needed))
    found: set[frozenset[str]] = set()
    for chosen in itertools.combinations(below, needed):
        found |= _together(chosen)
        _check(len(found))
    return list(found)


def _together(below: Sequence[_Sets]) -> set[frozenset[str]]:
    """One set of each, joined in every way."""
    found: set[frozenset[str]] = {frozenset()}
    for sets in below:
        _check(len(found) * len(sets))
        found = {one | other for one in found for other in sets}
    return found


def _check(count: int) -> None:
    if count > MAX_SETS:
        raise TooInvolvedError
