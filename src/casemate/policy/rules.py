"""Judging access rules (spec/policy.md, "Rules"). Their form is `casemate.wire.rules`."""

from __future__ import annotations

from collections.abc import Mapping

from casemate.policy._access import board_faults
from casemate.policy._faults import first_error
from casemate.wire.custodian import Board
from casemate.wire.rules import AllRule, AnyRule, AtLeastRule, Member, Principal

__all__ = ["AnyOfRules", "check_board", "describe", "members", "named", "satisfied"]

AnyOfRules = AnyRule | AllRule | AtLeastRule


def satisfied(rule: AnyOfRules, principals: Mapping[str, Principal], keys: frozenset[str]) -> bool:
    """Whether the principals whose keys (`ed25519:…`) are in `keys` are enough.

    A name that is no principal counts as one that did not sign. Every name counts once for each place in which the
    rule names it; documents refuse one name twice in one list, and one key under two names.
    """
    held = [_holds(member, principals, keys) for member in members(rule)]
    if isinstance(rule, AnyRule):
        return any(held)
    if isinstance(rule, AllRule):
        return all(held)
    return sum(held) >= rule.at_least


def check_board(board: Board) -> None:
    """`PolicyError` where its rule names nobody that is there, or one key has two names."""
    value = board.to_object()
    faults = board_faults(value["rule"], value["principals"])
    if faults:
        raise first_error(faults)


def members(rule: AnyOfRules) -> list[Member]:
    if isinstance(rule, AnyRule):
        return rule.any_
    if isinstance(rule, AllRule):
        return rule.all_
    return rule.of


def named(rule: AnyOfRules) -> frozenset[str]:
    """Names of all principals in the rule, at any depth."""
    names: set[str] = set()
    for member in members(rule):
        names |= {member} if isinstance(member, str) else named(member)
    return frozenset(names)


def describe(rule: AnyOfRules) -> str:
    """For people: `2 of alice, bob, (any of carol, dave)`."""
    listed = ", ".join(member if isinstance(member, str) else f"({describe(member)})" for member in members(rule))
    if isinstance(rule, AnyRule):
        return f"any of {listed}"
    if isinstance(rule, AllRule):
        return f"all of {listed}"
    return f"{rule.at_least} of {listed}"


def _holds(member: Member, principals: Mapping[str, Principal], keys: frozenset[str]) -> bool:
    if isinstance(member, str):
        principal = principals.get(member)
        return principal is not None and principal.key in keys
    return satisfied(member, principals, keys)
