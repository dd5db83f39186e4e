"""Leases: how long a released workload may go on, and the decision anew at each renewal (spec/protocol.md, "Leases").

A lease remembers what the verifier found, never the decision: every renewal judges the recorded claims by the newest
version of the policy. Sequence numbers make a lost reply harmless: a repeat gets the recorded answer.
"""

from __future__ import annotations

import math
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import Field, model_validator

from casemate.attestation.recorded import RecordedClaims
from casemate.custodian import decisions
from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Compare, Item, Put
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.custodian.problems import Refusal
from casemate.errors import CompareFailedError
from casemate.policy.decide import decide
from casemate.policy.people import decide_person
from casemate.wire import canonical
from casemate.wire.fields import Model, Sha256, SigningKeyText, Time
from casemate.wire.policies import DecidedPerson, DecisionAnswer, StepRecord
from casemate.wire.release import RenewalAnswer

__all__ = ["GRACE", "LEASES", "LeaseRecord", "began", "lease_key", "new_lease_id", "parse_lease", "renew", "until_over"]

LEASES: Final = "leases/"
GRACE: Final = timedelta(seconds=10)
"""That a lease is remembered after its end: so long others wait before they take over what it held."""

_TIME_BYTES: Final = 6
_TRIES: Final = 3
"""Renewals of one lease at the same moment: the loser looks again and finds the recorded answer or a sequence error."""


class LeaseRecord(Model):
    """Of a workload, with `manifest`, `claims` and the release `statements` that admitted it, or of a `person`.
    `sequence` is the last renewal's number, 0 before the first; `revoked` what the policy said against it.
    """

    signing_key: SigningKeyText
    genesis: Sha256
    manifest: Sha256 | None = None
    claims: RecordedClaims | None = None
    statements: list[Sha256] = Field(default_factory=list)
    person: DecidedPerson | None = None
    ends: Time
    sequence: int = 0
    answer: RenewalAnswer | None = None
    revoked: StepRecord | None = None
    decision: str

    @model_validator(mode="after")
    def _of_one(self) -> LeaseRecord:
        if (self.manifest is None) != (self.claims is None) or (self.claims is None) == (self.person is None):
            raise ValueError("a lease is of a workload or of a person")
        return self

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


def new_lease_id(now: datetime) -> bytes:
    """16 bytes that sort by time, so that the oldest leases are found first."""
    return int(now.timestamp() * 1000).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(16 - _TIME_BYTES)


def began(lease_id: bytes) -> datetime:
    """When a lease was first given."""
    return datetime.fromtimestamp(int.from_bytes(lease_id[:_TIME_BYTES], "big") / 1000, UTC)


async def until_over(custodian: Custodian, lease: str, now: datetime) -> tuple[int, Compare]:
    """Seconds until others may take what the lease (in hexadecimal) holds; with 0, what must still hold for that."""
    key = lease_key(bytes.fromhex(lease))
    item = await custodian.state.get(key)
    if item is None:
        return 0, Compare(key, None)
    left = (parse_lease(item).ends + GRACE - now).total_seconds()
    return max(0, math.ceil(left)), Compare(key, item.revision)


def lease_key(lease_id: bytes) -> str:
    return f"{LEASES}{lease_id.hex()}"


async def renew(custodian: Custodian, lease_id: bytes, sequence: int, key: str) -> RenewalAnswer:
    """One more period, or a `Refusal`: `lease.unknown`, `lease.sequence`, `lease.revoked`. `key` signed the request."""
    for _ in range(_TRIES):
        now = await custodian.state.now()
        item, lease = await _mine(custodian, lease_id, key, now)
        if lease.revoked is not None:
            raise _revoked(lease.decision, lease.revoked)
        if lease.answer is not None and sequence == lease.sequence:
            return lease.answer
        if sequence != lease.sequence + 1:
            raise Refusal("lease.sequence")
        try:
            return await _decide_anew(custodian, item, lease, sequence, now)
        except CompareFailedError:
            continue
    raise Refusal("service.busy", retry_after=1)


async def _mine(custodian: Custodian, lease_id: bytes, key: str, now: datetime) -> tuple[Item, LeaseRecord]:
    item = await custodian.state.get(lease_key(lease_id))
    lease = None if item is None else parse_lease(item)
    # Somebody else's lease, one that ended and one that never was look the same.
    if item is None or lease is None or lease.signing_key != key or lease.ends <= now:
        raise Refusal("lease.unknown")
    return item, lease


async def _decide_anew(
    custodian: Custodian, item: Item, lease: LeaseRecord, sequence: int, now: datetime
) -> RenewalAnswer:
    policy = await custodian.policies.load(lease.genesis)
    judged = await _judge(custodian, lease, policy, now)
    if isinstance(judged, DecisionAnswer):
        raise await _revoke(custodian, item, lease, judged)
    if policy is None:
        raise Refusal("lease.unknown")
    seconds = judged
    answer = RenewalAnswer(sequence=sequence, seconds=seconds)
    renewed = lease.model_copy(
        update={"sequence": sequence, "answer": answer, "ends": now + timedelta(seconds=seconds)}
    )
    # Neither the lease nor the policy changed meanwhile, or it is decided again.
    compare = [Compare(item.key, item.revision), Compare(key_of(lease.genesis, "head"), policy.revision)]
    await custodian.state.transact(compare, [Put(item.key, renewed.to_bytes())], None)
    custodian.metrics.decision("renewed")
    return answer


async def _judge(
    custodian: Custodian, lease: LeaseRecord, policy: LoadedPolicy | None, now: datetime
) -> int | DecisionAnswer:
    """For how many seconds the lease goes on, or the decision that ends it."""
    decision_id = decisions.new_id(lease.genesis, now)
    if lease.person is not None and policy is not None:
        asked = lease.person
        given = decide_person(policy.document, asked.volume, asked.mode, asked.key, anchor=custodian.anchor, now=now)
        if given.volume is not None:
            return given.lease_seconds
        return decisions.describe_person(decision_id, given, outcome="revoked", person=asked, policy=policy)
    if lease.claims is None or lease.manifest is None:
        raise Refusal("lease.unknown")
    claims = lease.claims.restore()
    manifest = await custodian.manifests.recorded(lease.genesis, lease.manifest)
    decision = decide(
        claims,
        manifest,
        custodian=custodian.identity.identity,
        anchor=custodian.anchor,
        genesis=policy.genesis if policy else None,
        document=policy.document if policy else None,
        statements=await custodian.statements.recorded(lease.genesis, lease.statements),
        now=now,
    )
    if decision.service is not None:
        return decision.service.lease_seconds
    version = policy.head.version if policy else None
    return decisions.describe(
        decision_id, decision, outcome="revoked", claims=claims, manifest=manifest, version=version
    )


async def _revoke(custodian: Custodian, item: Item, lease: LeaseRecord, recorded: DecisionAnswer) -> Refusal:
    """Record the refusal; the lease stays until its end, so that a repeat hears the same."""
    decision_id = recorded.id
    failed = StepRecord(step=recorded.step or "", got=recorded.got)
    over = lease.model_copy(update={"revoked": failed, "decision": decision_id})
    await custodian.state.transact(
        [Compare(item.key, item.revision)],
        [Put(item.key, over.to_bytes()), decisions.decision_put(recorded)],
        AuditEntry(
            kind="lease.revoked", facts={"decision": decision_id, "genesis": lease.genesis, "step": failed.step}
        ),
    )
    custodian.metrics.decision("revoked")
    return _revoked(decision_id, failed)


def _revoked(decision_id: str, failed: StepRecord) -> Refusal:
    return Refusal("lease.revoked", id=decision_id, step=failed.step, got=failed.got)


def parse_lease(item: Item) -> LeaseRecord:
    return canonical.parse_model(LeaseRecord, canonical.decode(item.value), what="lease")
