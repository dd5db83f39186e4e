"""What is put on record of a release or a denial: before the answer, in one transaction, or there is no answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from casemate.attestation.recorded import RecordedClaims
from casemate.claims import VerifiedClaims
from casemate.custodian import decisions
from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Change, Compare, Put
from casemate.custodian.leases import LeaseRecord, lease_key
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.custodian.problems import Refusal
from casemate.custodian.release_documents import SeenDocuments
from casemate.errors import CasemateError
from casemate.policy.decide import STEPS, Decision
from casemate.policy.model import Service
from casemate.wire.binding import sha256_text
from casemate.wire.manifest import ParsedManifest
from casemate.wire.release import AttestationRequest, Lease

__all__ = ["Admitted", "Proven", "record_denial", "record_release", "record_unreadable"]


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known once the evidence verified."""

    request: AttestationRequest
    claims: VerifiedClaims
    manifest_digest: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is known once the policy admitted it. `documents` are those that it had seen before."""

    policy: LoadedPolicy
    decision: Decision
    service: Service
    documents: SeenDocuments


async def record_release(
    custodian: Custodian, proven: Proven, manifest: ParsedManifest, admitted: Admitted, lease: Lease
) -> str:
    policy, decision = admitted.policy, admitted.decision
    genesis = policy.identity
    decision_id = decisions.new_id(genesis, proven.now)
    record = LeaseRecord(
        signing_key=proven.request.signing_key,
        genesis=genesis,
        manifest=manifest.digest,
        claims=RecordedClaims.of(proven.claims),
        statements=[sha256_text(statement) for statement in decision.relied_on],
        ends=proven.now + timedelta(seconds=lease.seconds),
        decision=decision_id,
    )
    answer = decisions.describe(
        decision_id, decision, outcome="released", claims=proven.claims, manifest=manifest, version=policy.head.version
    )
    changes: list[Change] = [Put(lease_key(lease.id), record.to_bytes()), decisions.decision_put(answer)]
    changes += custodian.manifests.unrecorded(genesis, manifest)
    changes += custodian.statements.unrecorded(genesis, decision.relied_on)
    facts = {"genesis": genesis, "version": policy.head.version, "lease": lease.id.hex()}
    if record.statements:
        facts["statements"] = ",".join(record.statements)
    entry = _entry("release", decision_id, proven, **facts)
    # Only while the policy is still the one that decided, and nobody raised its floors meanwhile.
    compare, raised = admitted.documents.raised_by(proven.claims)
    compare.append(Compare(key_of(genesis, "head"), policy.revision))
    await custodian.state.transact(compare, [*changes, *raised], entry)
    custodian.manifests.remember_recorded(genesis, manifest)
    custodian.statements.remember_recorded(genesis, decision.relied_on)
    custodian.metrics.decision("released")
    return decision_id


async def record_denial(
    custodian: Custodian,
    proven: Proven,
    manifest: ParsedManifest,
    policy: LoadedPolicy | None,
    decision: Decision,
) -> Refusal:
    """Record a denial. Where no policy has readers it is in the audit log only."""
    binding, failed = manifest.manifest.policy, decision.failed
    genesis = binding.genesis if binding else proven.manifest_digest
    decision_id = decisions.new_id(genesis, proven.now)
    changes: list[Change] = []
    if policy is not None:
        answer = decisions.describe(
            decision_id,
            decision,
            outcome="denied",
            claims=proven.claims,
            manifest=manifest,
            version=policy.head.version,
        )
        changes.append(decisions.decision_put(answer))
    step, got = (failed.step, failed.got) if failed else (None, None)
    entry = _entry("denial", decision_id, proven, genesis=genesis, step=step or "")
    await custodian.state.transact([], changes, entry)
    custodian.metrics.decision("denied")
    return Refusal("policy.denied", id=decision_id, step=step, got=got)


async def record_unreadable(custodian: Custodian, proven: Proven, error: CasemateError) -> Refusal:
    """Record a genuine domain whose manifest is none: no policy is named, so it is in the audit log only."""
    decision_id = decisions.new_id(proven.manifest_digest, proven.now)
    entry = _entry("denial", decision_id, proven, step=STEPS[0], reason=error.step or error.code)
    await custodian.state.transact([], [], entry)
    custodian.metrics.decision("denied")
    return Refusal("policy.denied", id=decision_id, step=STEPS[0], got=error.message)


def _entry(kind: str, decision_id: str, proven: Proven, **facts: str) -> AuditEntry:
    return AuditEntry(
        kind=kind,
        facts={
            "decision": decision_id,
            "platform": proven.claims.platform,
            "runtime": proven.claims.runtime_measurement,
            "manifest": proven.manifest_digest,
            **facts,
        },
    )
