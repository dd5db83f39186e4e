"""May this person have this volume, by hand? (spec/policy.md, "People")

As `casemate.policy.decide` a pure function, whose steps are judged in order and all recorded; the first that does not
hold is the reason. What the caller must have done: verified the signature of `key` over a fresh request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casemate.policy.model import PolicyDocument, Volume
from casemate.policy.rules import describe, satisfied
from casemate.policy.submission import accept
from casemate.wire.fields import LoanMode
from casemate.wire.policies import StepRecord

__all__ = ["PEOPLE_STEPS", "PersonDecision", "decide_person", "name_of"]

PEOPLE_STEPS: Final = ("volume.known", "volume.people", "volume.person", "volume.anchor")
"""Stable labels of the four steps, in their order."""


@dataclass(frozen=True, slots=True)
class PersonDecision:
    """`volume` and `lease_seconds` are there only when admitted, `failed` and `remedy` only if not."""

    steps: tuple[StepRecord, ...]
    volume: Volume | None
    lease_seconds: int
    failed: StepRecord | None
    remedy: str | None
    at: datetime


def decide_person(
    document: PolicyDocument, volume: str, mode: LoanMode, key: str, *, anchor: str, now: datetime
) -> PersonDecision:
    """The decision on `key` (`ed25519:…`), with its reasons. `anchor` is what kind the custodian's own state has."""
    judged: list[StepRecord] = []

    def step(held: bool, expected: str, got: str) -> bool:
        judged.append(StepRecord(step=PEOPLE_STEPS[len(judged)], held=held, expected=expected, got=got))
        return held

    def refused(remedy: str) -> PersonDecision:
        missed = (StepRecord(step=name) for name in PEOPLE_STEPS[len(judged) :])
        return PersonDecision((*judged, *missed), None, 0, judged[-1], remedy, now)

    # 1. The newest version has such a volume.
    wanted = document.volumes.get(volume)
    if not step(wanted is not None, "one of " + (", ".join(document.volumes) or "(none)"), volume) or wanted is None:
        return refused("name a volume of the policy")
    # 2. It says that people may do this with it: nothing is granted by silence.
    rules = () if wanted.people is None else wanted.people.rules(mode)
    allowed = f"volumes.{volume}.people.{mode}"
    if not step(bool(rules), allowed, "it is there" if rules else "it is not there") or wanted.people is None:
        return refused(f"let the policy say who: {allowed}: {{any: […]}}")
    # 3. And that this person may.
    held = any(satisfied(rule, document.principals, frozenset({key})) for rule in rules)
    expected = " or ".join(describe(rule) for rule in rules)
    if not step(held, expected, name_of(document, key) or "a key of none of the principals"):
        return refused(f"let the policy name this person in {allowed}")
    # 4. A strict volume hangs on an anchor that it accepts, and a new key on one that tells the old state from the new.
    if mode == "rekey" and wanted.freshness == "none":
        step(False, "a volume with an anchor", "freshness: none")
        return refused("make a volume of another name: with freshness: none nothing says which key is the newest")
    if not step(wanted.accepts(anchor), "an anchor that the volume accepts", anchor):
        return refused(accept(volume, anchor))
    return PersonDecision(tuple(judged), wanted, wanted.people.lease_seconds, None, None, now)


def name_of(document: PolicyDocument, key: str) -> str | None:
    """Which principal has `key`."""
    return next((name for name, principal in document.principals.items() if principal.key == key), None)
