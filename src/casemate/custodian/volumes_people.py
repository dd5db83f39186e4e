"""A volume for a person: key and lease, after a decision that is on record (spec/protocol.md, "Volumes by hand").

1. the request is signed by the person, fresh, and carries a nonce that is ours and used for the first time
2. the policy is there, and the person is one of its principals: to others there is no such policy
3. the policy decides (casemate.policy.people)
4. the key is sealed to the key of the request, and the decision recorded; what is not recorded is not released
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from casemate.custodian import decisions
from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Change, Compare, Put
from casemate.custodian.leases import LeaseRecord, lease_key, new_lease_id
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.custodian.policies_volumes import keys_in
from casemate.custodian.problems import Refusal
from casemate.custodian.volumes_rekey import begin
from casemate.errors import CompareFailedError, InputError
from casemate.policy.model import Volume
from casemate.policy.people import PersonDecision, decide_person, name_of
from casemate.secrets.volumes import key_of as secret_bytes
from casemate.wire import canonical
from casemate.wire.binding import volume_info
from casemate.wire.policies import DecidedPerson
from casemate.wire.release import Lease, PolicyReference
from casemate.wire.sealing import seal
from casemate.wire.volumes import ReleasedVolume, VolumeLeaseAnswer, VolumeLeaseRequest

__all__ = ["lend"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TRIES: Final = 4
"""How often a decision is taken again because the policy changed while it was taken."""


async def lend(
    custodian: Custodian, genesis: str, volume: str, request: VolumeLeaseRequest, key: str
) -> VolumeLeaseAnswer:
    """Key and lease for the person with `key`, who signed the request, and to rekey the next key; else a `Refusal`."""
    now = await custodian.state.now()
    # 1. The nonce: a request that was overheard is worth nothing, not even an entry of the record.
    ends = custodian.challenges.check(request.nonce, now)
    if not await custodian.state.spend(request.nonce, ends.timestamp()):
        raise Refusal("nonce.refused")
    for _ in range(_TRIES):
        try:
            return await _decide(custodian, genesis, volume, request, key, now)
        except CompareFailedError:
            continue  # The policy changed meanwhile: nobody gets what an older version grants.
    raise Refusal("service.busy", retry_after=1)


async def _decide(
    custodian: Custodian, genesis: str, volume: str, request: VolumeLeaseRequest, key: str, now: datetime
) -> VolumeLeaseAnswer:
    # 2. Strangers fill no record, and learn of no policy.
    policy = await custodian.policies.load(genesis)
    name = None if policy is None else name_of(policy.document, key)
    if policy is None or name is None or not _NAME.fullmatch(volume):
        raise Refusal("policy.unknown")
    person = DecidedPerson(name=name, key=key, volume=volume, mode=request.mode)
    # 3. The decision.
    decision = decide_person(policy.document, volume, request.mode, key, anchor=custodian.anchor, now=now)
    if decision.volume is None:
        raise await _deny(custodian, policy, person, decision)
    lease = Lease(id=new_lease_id(now), seconds=decision.lease_seconds)
    next_key, compare, changes = None, [Compare(key_of(policy.identity, "head"), policy.revision)], []
    if request.mode == "rekey":
        secret, more, change = await begin(custodian, genesis, volume, lease.id, now)
        next_key, compare, changes = secret_bytes(secret), [*compare, *more], [change]
    # 4. Sealed before it is recorded: a key that cannot be sealed to is refused without a release on record.
    sealed = _seal(custodian, policy, request, decision.volume, next_key)
    decision_id = await _record(custodian, policy, person, decision, request, lease, compare, changes)
    reference = PolicyReference(genesis=policy.identity, version=policy.head.version, number=policy.head.number)
    return VolumeLeaseAnswer(decision=decision_id, policy=reference, lease=lease, volume=sealed)


def _seal(
    custodian: Custodian, policy: LoadedPolicy, request: VolumeLeaseRequest, volume: Volume, next_key: bytes | None
) -> bytes:
    released = ReleasedVolume(
        casemate_volume=1,
        volume=volume.name,
        mode=request.mode,
        freshness=volume.freshness,
        root=volume.root,
        interval_ms=volume.interval_ms,
        key=keys_in(policy.volumes)(volume.name),
        next_key=next_key,
    )
    info = volume_info(
        custodian=custodian.identity.identity,
        nonce=request.nonce,
        policy_genesis=policy.identity,
        policy_version=policy.head.version,
        volume=volume.name,
        mode=request.mode,
        signing_key=request.signing_key,
    )
    try:
        return seal(canonical.encode(released.to_object()), request.hpke_key, info=info)
    except InputError as error:
        raise Refusal("request.malformed") from error


async def _record(
    custodian: Custodian,
    policy: LoadedPolicy,
    person: DecidedPerson,
    decision: PersonDecision,
    request: VolumeLeaseRequest,
    lease: Lease,
    compare: list[Compare],
    changes: list[Change],
) -> str:
    decision_id = decisions.new_id(policy.identity, decision.at)
    record = LeaseRecord(
        signing_key=request.signing_key,
        genesis=policy.identity,
        person=person,
        ends=decision.at + timedelta(seconds=lease.seconds),
        decision=decision_id,
    )
    answer = decisions.describe_person(decision_id, decision, outcome="released", person=person, policy=policy)
    # Only while the policy is still the one that decided.
    await custodian.state.transact(
        compare,
        [Put(lease_key(lease.id), record.to_bytes()), decisions.decision_put(answer), *changes],
        _entry("volume.key_released", policy, person, decision=decision_id, lease=lease.id.hex()),
    )
    custodian.metrics.decision("released")
    return decision_id


async def _deny(custodian: Custodian, policy: LoadedPolicy, person: DecidedPerson, decision: PersonDecision) -> Refusal:
    decision_id = decisions.new_id(policy.identity, decision.at)
    answer = decisions.describe_person(decision_id, decision, outcome="denied", person=person, policy=policy)
    step = decision.failed.step if decision.failed else ""
    entry = _entry("volume.key_denied", policy, person, decision=decision_id, step=step)
    await custodian.state.transact([], [decisions.decision_put(answer)], entry)
    custodian.metrics.decision("denied")
    return Refusal("policy.denied", id=decision_id, step=step, got=answer.got)


def _entry(kind: str, policy: LoadedPolicy, person: DecidedPerson, **facts: str) -> AuditEntry:
    shown = {"genesis": policy.identity, "version": policy.head.version}
    whom = {"person": person.name, "key": person.key, "volume": person.volume, "mode": person.mode}
    return AuditEntry(kind, {**shown, **whom, **facts})
