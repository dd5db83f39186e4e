"""Who a custodian is: genesis record, instance certificates, self-attestation (spec/protocol.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import Bytes, Bytes32, HpkeKeyText, Model, PrincipalName, Sha256, SigningKeyText, Time
from casemate.wire.rules import Principal, Rule

__all__ = [
    "Board",
    "CustodianAnswer",
    "CustodianAttestationAnswer",
    "CustodianAttestationRequest",
    "CustodianGenesis",
    "InstanceCertificate",
]


class Board(Model):
    """Whose approval a change of the custodian itself needs."""

    principals: dict[PrincipalName, Principal]
    rule: Rule


class CustodianGenesis(Model):
    casemate_custodian: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=128)]
    board: Board
    identity_key: SigningKeyText
    simulation_root: Sha256 | None = None
    random: Bytes32

    def identity(self) -> str:
        return canonical.digest(self.to_object())


class InstanceCertificate(Model):
    """Payload of the instance envelope: `key` signs answers, `sealing_key` takes sealed values."""

    casemate_instance: Literal[1]
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
