"""Decisions on record: what was judged, step by step, for `casemate why` and for auditors.

Only decisions on evidence that verified are kept; what did not verify is counted (metrics). An id says where its
decision is: 16 hex digits of the policy's genesis, 12 of the time in milliseconds, 12 random. Old ones are pruned
(`Settings.decisions_kept`); the audit log keeps a line of each for ever.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any, Final, Literal

from casemate.claims import VerifiedClaims
from casemate.custodian.keeper import Put, State
from casemate.custodian.policies_book import LoadedPolicy
from casemate.policy.decide import Decision
from casemate.policy.people import PersonDecision
from casemate.wire import canonical
from casemate.wire.manifest import ParsedManifest
from casemate.wire.policies import DecidedPerson, DecisionAnswer

__all__ = [
    "DEFAULT_LISTED",
    "MAX_LISTED",
    "decision_put",
    "describe",
    "describe_person",
    "find",
    "new_id",
    "newest",
    "prefix_of",
]

MAX_LISTED: Final = 100
"""Decisions in one answer; each is a few KiB."""

DEFAULT_LISTED: Final = 20

_ID: Final = re.compile(r"[0-9a-f]{40}")
_GENESIS_DIGITS: Final = 16
_UNRECORDED: Final = frozenset({"report_data", "verified_at", "seen"})

Outcome = Literal["released", "renewed", "denied", "revoked"]


def new_id(genesis: str, now: datetime) -> str:
    """A fresh id for a decision about the policy with `genesis` (`sha256:…`)."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{_digits(genesis)}{milliseconds:012x}{secrets.token_hex(6)}"


def describe(
    decision_id: str,
    decision: Decision,
    *,
    outcome: Outcome,
    claims: VerifiedClaims,
    manifest: ParsedManifest,
    version: str | None,
) -> DecisionAnswer:
    """The record of `decision` on a workload whose manifest names a policy. Holds no secret."""
    binding, failed = manifest.manifest.policy, decision.failed
    if binding is None:
        raise ValueError("a decision about no policy has no readers")
    return DecisionAnswer(
        id=decision_id,
        time=decision.at.replace(microsecond=0),
        outcome=outcome,
        policy=binding.name,
        genesis=binding.genesis,
        version=version,
        service=binding.service,
        manifest=manifest.digest,
        platform=claims.platform,
        runtime=claims.runtime_measurement,
        step=failed.step if failed else None,
        expected=failed.expected if failed else None,
        got=failed.got if failed else None,
        remedy=decision.remedy,
        steps=list(decision.steps),
        claims=_claims(claims),
    )


def describe_person(
    decision_id: str, decision: PersonDecision, *, outcome: Outcome, person: DecidedPerson, policy: LoadedPolicy
) -> DecisionAnswer:
    """The record of `decision` on a person who wanted a volume by hand. Holds no secret."""
    failed = decision.failed
    return DecisionAnswer(
        id=decision_id,
        time=decision.at.replace(microsecond=0),
        outcome=outcome,
        policy=policy.head.name,
        genesis=policy.identity,
        version=policy.head.version,
        person=person,
        step=failed.step if failed else None,
        expected=failed.expected if failed else None,
        got=failed.got if failed else None,
        remedy=decision.remedy,
        steps=list(decision.steps),
    )


def decision_put(decision: DecisionAnswer) -> Put:
    return Put(_key(decision.id), decision.model_dump_json(exclude_none=True).encode())


def prefix_of(genesis: str) -> str:
    """Under which all decisions about the policy are, oldest first."""
    return f"decisions/{_digits(genesis)}/"


async def find(state: State, decision_id: str) -> DecisionAnswer | None:
    """The decision, or None. The caller still checks who may read it."""
    if not _ID.fullmatch(decision_id):
        return None
    item = await state.get(_key(decision_id))
    return None if item is None else _parse(item.value)


async def newest(state: State, genesis: str, limit: int) -> list[DecisionAnswer]:
    items = await state.range(prefix_of(genesis), limit=limit, reverse=True)
    found = [_parse(item.value) for item in items]
    # Sixteen digits could be shared by two policies.
    return [decision for decision in found if decision.genesis == genesis]


def _parse(value: bytes) -> DecisionAnswer:
    return canonical.parse_model(DecisionAnswer, canonical.decode(value), what="decision")


def _key(decision_id: str) -> str:
    return f"decisions/{decision_id[:_GENESIS_DIGITS]}/{decision_id[_GENESIS_DIGITS:]}"


def _digits(genesis: str) -> str:
    return genesis.removeprefix("sha256:")[:_GENESIS_DIGITS]


def _claims(claims: VerifiedClaims) -> dict[str, Any]:
    """What readers of a decision may want of it: report data are of one challenge, numbers of lists are the store's."""
    return {name: value for name, value in claims.to_object().items() if name not in _UNRECORDED}
