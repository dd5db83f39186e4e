"""Workloads behind TLS certificates that their shields made (spec/ra-tls.md, "By policy"): those that a service of a
policy admits, as the custodian would. With the policy's file and a pinned custodian:

    import httpx
    from pathlib import Path

    from casemate.attestation.expectations import roots_of
    from casemate.client import pins
    from casemate.client.ra_tls import attested_context
    from casemate.client.workloads import PolicyPeer
    from casemate.policy.source import load
    from casemate.secrets.catalogue import SCHEMAS

    document = load(Path("records.yaml").read_bytes(), SCHEMAS)
    pin = pins.load(Path.home() / ".local/share/casemate/custodians", "main")
    peer = PolicyPeer(document, "cache", pin.identity, roots_of(pin.genesis))
    with httpx.Client(verify=attested_context(peer)) as client:
        answer = client.get("https://10.0.0.7:8443/")

`Cache(folder).completed` (`casemate.endorsements.cache`) as `completed` adds what a cache has of endorsements: that
certificates of a vendor's hardware have revocation lists in them is the exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import Completing, as_it_came, verify_carried
from casemate.claims import VerifiedClaims
from casemate.errors import UsageError
from casemate.platforms import LACKS
from casemate.policy.model import PolicyDocument
from casemate.policy.workloads import check_admitted, judge_workload

__all__ = ["PolicyPeer", "verify_workload"]


@dataclass(frozen=True)
class PolicyPeer:
    """Servers that run a service of a policy: for `casemate.client.ra_tls.attested_context`. `custodian` is the
    identity of the one that releases to them; `statements` are what the policy's releases ask for; `floors` as in
    `Expected`; `completed`, `heard`, `now` as in `Peer`. Errors: UsageError for a service that the policy has not.
    """

    document: PolicyDocument
    service: str
    custodian: str
    roots: Roots
    statements: Sequence[bytes] = ()
    floors: Mapping[str, int] = field(default_factory=dict)
    completed: Completing = field(default=as_it_came)
    heard: Callable[[VerifiedClaims], None] | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if self.service not in self.document.services:
            raise UsageError(
                f"{self.document.policy} has no service {self.service[:80]}",
                expected=" or ".join(sorted(self.document.services)) or "none",
                got=self.service[:80],
            )

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
        data,
        roots=peer.roots,
        at=at,
        custodian=peer.custodian,
        floors=peer.floors,
        excused=LACKS,
        completed=peer.completed,
    )
    steps, remedy = judge_workload(peer.document, service, claims, carried.manifest, statements=peer.statements, now=at)
    check_admitted(peer.document, service, steps, remedy)
    return claims
