"""Workloads behind TLS certificates that their shields made (spec/ra-tls.md, "By policy"): those that a service of a
policy admits, as the custodian would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import verify_carried
from casemate.claims import VerifiedClaims
from casemate.errors import DeniedError
from casemate.platforms import LACKS
from casemate.policy.model import PolicyDocument
from casemate.policy.workloads import judge_workload

__all__ = ["PolicyPeer", "verify_workload"]


@dataclass(frozen=True)
class PolicyPeer:
    """Servers that run a service of a policy: for `casemate.client.ra_tls.attested_context`. `custodian` is the
    identity of the one that releases to them; `statements` are what the policy's releases ask for; `floors` as in
    `Expected`.
    """

    document: PolicyDocument
    service: str
    custodian: str
    roots: Roots
    statements: Sequence[bytes] = ()
    floors: Mapping[str, int] = field(default_factory=dict)
    heard: Callable[[VerifiedClaims], None] | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def verify(self, certificate: bytes) -> VerifiedClaims:
        """Of a certificate, DER or PEM. Errors: as `verify_workload`."""
        return verify_workload(certificate, self, at=self.now())


def verify_workload(data: bytes, peer: PolicyPeer, *, at: datetime) -> VerifiedClaims:
    """The claims of whoever holds the certificate's key. Errors: EvidenceError, InputError; DeniedError where the
    service does not admit it, with the step.
    """
    service = peer.document.services[peer.service]
    # What evidence may lack is the policy's to judge, by its waivers.
    carried, claims = verify_carried(
        data, roots=peer.roots, at=at, custodian=peer.custodian, floors=peer.floors, excused=LACKS
    )
    steps, remedy = judge_workload(peer.document, service, claims, carried.manifest, statements=peer.statements, now=at)
    failed = next((step for step in steps if not step.held), None)
    if failed is not None:
        raise DeniedError(
            f"genuine, but services.{service.name} of {peer.document.policy} does not admit it",
            step=failed.step,
            expected=failed.expected,
            got=failed.got,
            remedy=remedy,
        )
    return claims
