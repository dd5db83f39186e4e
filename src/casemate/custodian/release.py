"""The release of a configuration, from the request to the sealed answer (spec/protocol.md).

    1. the request is signed by the key that it wants attested
    2. the nonce is ours, young, and used for the first time
    3. the evidence verifies: genuine, unrevoked, and made for this nonce, these keys and this manifest
    4. somebody vouches for the key that signed it: an authority, or the policy that the manifest names
    -- until here anybody may have asked, and learns only that it failed --
    5. the manifest is read, and the policy that it names looked up
    6. the policy decides (casemate.policy.decide), by documents no older than what it admitted before
    7. the configuration is filled in, and the decision recorded; what is not recorded is not released
    8. the configuration is sealed to the attested key, bound to this exchange

Whoever changes a step will find the test that names it in tests/integration/custodian/test_release_path.py, of the
fourth in test_release_tpm.py beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from casemate.attestation.verify import Expected, verify
from casemate.claims import VerifiedClaims
from casemate.custodian import ear
from casemate.custodian.app_context import Custodian
from casemate.custodian.leases import new_lease_id
from casemate.custodian.policies_book import LoadedPolicy
from casemate.custodian.policies_secrets import current_secrets, lookup_in
from casemate.custodian.policies_volumes import keys_in
from casemate.custodian.problems import Refusal
from casemate.custodian.release_documents import seen_documents
from casemate.custodian.release_record import Admitted, Proven, record_denial, record_release, record_unreadable
from casemate.errors import (
    CasemateError,
    CompareFailedError,
    EndorsementError,
    EvidenceError,
    InputError,
    PolicyError,
)
from casemate.platforms import LACKS
from casemate.policy.configure import configure
from casemate.policy.decide import STEPS, Decision, decide
from casemate.policy.platform_steps import is_vouched_for
from casemate.wire import canonical
from casemate.wire.binding import Purpose, digest_bytes, release_info, report_data, sha256_text
from casemate.wire.manifest import ParsedManifest
from casemate.wire.policies import StepRecord
from casemate.wire.release import AttestationAnswer, AttestationRequest, Configuration, Lease, PolicyReference
from casemate.wire.sealing import seal

__all__ = ["release"]

_TRIES: Final = 4
"""How often a decision is taken again because the policy changed while it was taken."""


async def release(custodian: Custodian, request: AttestationRequest, signer: str) -> AttestationAnswer:
    """The configuration for an admitted workload, else a `Refusal`. `signer` is the key that signed the request."""
    # 1. Who asks is who wants to be attested: nobody else can spend this nonce on its evidence.
    if signer != request.signing_key:
        raise Refusal("request.unsigned")
    now = await custodian.state.now()
    # 2. The nonce.
    ends = custodian.challenges.check(request.nonce, now)
    if not await custodian.state.spend(request.nonce, ends.timestamp()):
        raise Refusal("nonce.refused")
    # 3. The evidence.
    proven = await _prove(custodian, request, now)
    # 4. Whose key it is.
    await _check_vouched_for(custodian, proven)
    # 5. to 7. Manifest, policy, decision, record.
    manifest = await _manifest(custodian, proven)
    for _ in range(_TRIES):
        try:
            return await _decide(custodian, proven, manifest)
        except CompareFailedError:
            continue  # The policy changed meanwhile: nobody gets what an older version grants.
    raise Refusal("service.busy", retry_after=1)


async def _prove(custodian: Custodian, request: AttestationRequest, now: datetime) -> Proven:
    digest = sha256_text(request.manifest)
    try:
        expected = Expected(
            report_data=report_data(
                Purpose.RELEASE,
                custodian=custodian.identity.identity,
                nonce=request.nonce,
                signing_key=request.signing_key,
                hpke_key=request.hpke_key,
                manifest=digest,
            ),
            manifest=digest_bytes(digest),
            floors=await custodian.floors.current(),
            # Refused in step 4 or 6, unless the policy waives it or says what stands in for it.
            excused=LACKS,
        )
        endorsements = request.endorsements
        if custodian.endorsements is not None:
            endorsements = custodian.endorsements.completed(request.evidence, endorsements)
        claims = verify(request.evidence, endorsements, roots=custodian.roots, at=now, expected=expected)
    except (EvidenceError, InputError) as error:
        raise _unproven(custodian, error) from error
    await custodian.floors.raise_to(claims)
    return Proven(request, claims, digest, now)


async def _check_vouched_for(custodian: Custodian, proven: Proven) -> None:
    """Where no authority certified the key, anybody can have made it up with all that it signed: that is no decision
    of the policy's, with a record, unless this very key is one that the policy names.
    """
    if is_vouched_for(proven.claims, None):
        return
    binding = await custodian.manifests.binding(proven.request.manifest, proven.manifest_digest)
    policy = await custodian.policies.load(binding.genesis) if binding else None
    service = policy.document.services.get(binding.service) if binding and policy else None
    if not is_vouched_for(proven.claims, service):
        raise _unproven(custodian, EndorsementError("nobody vouches for the key", step="evidence.authority"))


def _unproven(custodian: Custodian, error: CasemateError) -> Refusal:
    custodian.metrics.evidence_refused(error.step or error.code)
    return Refusal("evidence.refused")


async def _manifest(custodian: Custodian, proven: Proven) -> ParsedManifest:
    try:
        return await custodian.manifests.parse(proven.request.manifest, proven.manifest_digest)
    except CasemateError as error:
        raise await record_unreadable(custodian, proven, error) from error


async def _decide(custodian: Custodian, proven: Proven, manifest: ParsedManifest) -> AttestationAnswer:
    binding = manifest.manifest.policy
    policy = await custodian.policies.load(binding.genesis) if binding else None
    decision = decide(
        proven.claims,
        manifest,
        custodian=custodian.identity.identity,
        anchor=custodian.anchor,
        genesis=policy.genesis if policy else None,
        document=policy.document if policy else None,
        statements=proven.request.statements or (),
        now=proven.now,
    )
    if policy is None or decision.service is None:
        raise await record_denial(custodian, proven, manifest, policy, decision)
    documents = await seen_documents(custodian.state, policy.identity)
    if newer := documents.newer_than(proven.claims):
        raise await record_denial(custodian, proven, manifest, policy, _gone_back(decision, proven.claims, newer))
    try:
        policy = await current_secrets(custodian, policy, proven.now)
        configuration = configure(
            decision.service, manifest.manifest, lookup_in(policy.secrets), keys_in(policy.volumes)
        )
    except PolicyError as error:
        raise await record_denial(custodian, proven, manifest, policy, _unfit(decision, error)) from error
    admitted = Admitted(policy, decision, decision.service, documents)
    return await _grant(custodian, proven, manifest, admitted, configuration)


async def _grant(
    custodian: Custodian,
    proven: Proven,
    manifest: ParsedManifest,
    admitted: Admitted,
    configuration: Configuration,
) -> AttestationAnswer:
    policy, service = admitted.policy, admitted.service
    # Sealed before it is recorded: a key that cannot be sealed to is refused without a release on record.
    sealed = _seal(custodian, proven, policy, configuration)
    lease = Lease(id=new_lease_id(proven.now), seconds=service.lease_seconds)
    decision_id = await record_release(custodian, proven, manifest, admitted, lease)
    found = ear.Admitted(
        claims=proven.claims,
        asked=service.platforms[proven.claims.platform],
        nonce=proven.request.nonce,
        signing_key=proven.request.signing_key,
        manifest=manifest.digest,
        policy_version=policy.head.version,
        service=f"{policy.head.name}#{service.name}",
    )
    result = ear.issue(
        custodian.instance.signing_key(),
        found,
        custodian=custodian.identity.identity,
        now=proven.now,
        seconds=service.lease_seconds,
    )
    reference = PolicyReference(genesis=policy.identity, version=policy.head.version, number=policy.head.number)
    return AttestationAnswer(result=result, decision=decision_id, policy=reference, lease=lease, configuration=sealed)


def _seal(custodian: Custodian, proven: Proven, policy: LoadedPolicy, configuration: Configuration) -> bytes:
    info = release_info(
        custodian=custodian.identity.identity,
        nonce=proven.request.nonce,
        manifest=proven.manifest_digest,
        policy_genesis=policy.identity,
        policy_version=policy.head.version,
        signing_key=proven.request.signing_key,
    )
    try:
        return seal(canonical.encode(configuration.to_object()), proven.request.hpke_key, info=info)
    except InputError as error:
        raise Refusal("evidence.refused") from error


def _gone_back(decision: Decision, claims: VerifiedClaims, newer: Mapping[str, int]) -> Decision:
    """A decision that admitted, by documents older than some that the policy admitted before."""
    failed = StepRecord(
        step="tcb.minima",
        held=False,
        expected=", ".join(f"{name} ≥ {floor}, as admitted before" for name, floor in newer.items()),
        got=", ".join(f"{name} {claims.chosen[name]}" for name in newer),
    )
    steps = tuple(failed if step.step == failed.step else step for step in decision.steps)
    remedy = "bring the vendor's current documents with the evidence, or into the custodian's cache of endorsements"
    return Decision(False, steps, None, failed, remedy, decision.at)


def _unfit(decision: Decision, error: PolicyError) -> Decision:
    """A decision that admitted, but whose values no hole or file can take."""
    failed = StepRecord(step=STEPS[-1], held=False, expected=error.expected, got=error.got or error.message)
    return Decision(False, (*decision.steps[:-1], failed), None, failed, error.remedy, decision.at)
