"""Who a custodian is: genesis record, instance certificates, self-attestation (spec/protocol.md)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import (
    MAX_INTEGER,
    Bytes,
    Bytes32,
    FormatOne,
    HpkeKeyText,
    Model,
    PrincipalName,
    Sha256,
    SigningKeyText,
    Time,
)
from casemate.wire.rules import Principal, Rule

__all__ = [
    "RESTORE_TYPE",
    "Board",
    "CustodianAnswer",
    "CustodianAttestationAnswer",
    "CustodianAttestationRequest",
    "CustodianGenesis",
    "InstanceCertificate",
    "RestoreStatement",
    "StateReference",
]


class Board(Model):
    """Whose approval a change of the custodian itself needs."""

    principals: Annotated[dict[PrincipalName, Principal], Field(min_length=1, max_length=256)]
    rule: Rule


class CustodianGenesis(Model):
    casemate_custodian: FormatOne
    name: Annotated[str, Field(min_length=1, max_length=128)]
    board: Board
    identity_key: SigningKeyText
    simulation_root: Sha256 | None = None
    container_simulation_root: Sha256 | None = None
    random: Bytes32

    def identity(self) -> str:
        return canonical.digest(self.to_object())


class InstanceCertificate(Model):
    """Payload of the instance envelope: `key` signs answers, `sealing_key` takes sealed values."""

    casemate_instance: FormatOne
    custodian: Sha256
    key: SigningKeyText
    sealing_key: HpkeKeyText
    not_before: Time
    not_after: Time


class CustodianAnswer(Model):
    genesis: Bytes
    identity: Sha256
    version: str
    time: Time


class CustodianAttestationRequest(Model):
    nonce: Bytes32


class CustodianAttestationAnswer(Model):
    evidence: Evidence
    endorsements: Endorsements
    manifest: Bytes
    nonce: Bytes32
    signing_key: SigningKeyText
    hpke_key: HpkeKeyText


RESTORE_TYPE: Final = "application/vnd.casemate.restore.v1+json"


class StateReference(Model):
    """One state of a custodian's store: its sequence number and what fixes its whole content."""

    sequence: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    state: Sha256


class RestoreStatement(Model):
    """What a board signs to accept a store that its anchor does not confirm. `anchor` is absent where it is lost."""

    casemate_restore: FormatOne
    custodian: Sha256
    found: StateReference
    anchor: StateReference | None = None
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    expires: Time
