"""Verifying that a custodian is what it says: evidence over its identity, its keys and our nonce."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import NotGenuineError
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.custodian import CustodianAttestationAnswer, CustodianGenesis, InstanceCertificate
from casemate.wire.manifest import parse_manifest

__all__ = ["AttestedCustodian", "verify_custodian"]


@dataclass(frozen=True)
class AttestedCustodian:
    """`manifest` is the digest of what it runs. Whether that and the runtime are right is for people to compare."""

    claims: VerifiedClaims
    manifest: str


def verify_custodian(
    answer: CustodianAttestationAnswer,
    *,
    genesis: CustodianGenesis,
    roots: Roots,
    at: datetime,
    nonce: bytes,
    instance: InstanceCertificate,
) -> AttestedCustodian:
    """`instance` is the one whose answer verified. `NotGenuineError`, or an `EvidenceError`."""
    if not hmac.compare_digest(answer.nonce, nonce):
        raise NotGenuineError("the answer is about another nonce", step="custodian.nonce")
    if (answer.signing_key, answer.hpke_key) != (instance.key, instance.sealing_key):
        raise NotGenuineError("the evidence is about other keys than the instance's", step="custodian.keys")
    manifest = parse_manifest(answer.manifest)
    if manifest.manifest.role != "custodian":
        raise NotGenuineError("what answers is measured as a workload", step="custodian.role")
    expected = report_data(
        Purpose.CUSTODIAN,
        custodian=genesis.identity(),
        nonce=nonce,
        signing_key=answer.signing_key,
        hpke_key=answer.hpke_key,
        manifest=manifest.digest,
    )
    claims = verify(
        answer.evidence,
        answer.endorsements,
        roots=roots,
        at=at,
        expected=Expected(report_data=expected, manifest=digest_bytes(manifest.digest)),
    )
    return AttestedCustodian(claims, manifest.digest)
