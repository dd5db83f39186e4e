"""What every part of the service works with: one object, made once by `create_app`, handed down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from casemate.attestation.verify import Roots
from casemate.custodian.challenges import Challenges
from casemate.custodian.keeper import State
from casemate.custodian.keys import Identity
from casemate.custodian.keys.signers import Signers
from casemate.custodian.metrics import Metrics
from casemate.custodian.policies_book import PolicyBook
from casemate.custodian.release_floors import Floors
from casemate.custodian.release_manifests import Manifests
from casemate.custodian.release_statements import Statements
from casemate.custodian.settings import Settings
from casemate.custodian.signing import SigningKey
from casemate.endorsements.cache import Cache
from casemate.wire.evidence import Endorsements, Evidence

if TYPE_CHECKING:
    # It works with what is assembled here, and remembers some of it.
    from casemate.custodian.volumes import Anchors

__all__ = ["Custodian", "EvidenceSource", "InstanceKeys", "OwnEvidence"]


@dataclass(frozen=True, slots=True)
class OwnEvidence:
    """Evidence of the custodian's own domain, and the manifest (bytes) that it was launched with."""

    evidence: Evidence
    endorsements: Endorsements
    manifest: bytes


class EvidenceSource(Protocol):
    """The platform channel: evidence for the purpose `custodian/v1` and no other."""

    async def evidence(self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str) -> OwnEvidence: ...


class InstanceKeys(Protocol):
    """The instance's keys of this hour; they are renewed while the service runs."""

    def signing_key(self) -> SigningKey: ...

    def valid_at(self, moment: datetime) -> bool: ...


@dataclass(frozen=True, slots=True)
class Custodian:
    state: State
    identity: Identity
    instance: InstanceKeys
    signers: Signers
    evidence_source: EvidenceSource
    settings: Settings
    roots: Roots
    challenges: Challenges
    policies: PolicyBook
    manifests: Manifests
    statements: Statements
    floors: Floors
    metrics: Metrics
    endorsements: Cache | None
    anchor: str
    """The kind of anchor that this custodian's own state has, as policies name it."""
    anchors: Anchors
