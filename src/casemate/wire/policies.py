"""Policy calls, and the records that people sign (spec/policy.md). The version document is in `casemate.policy`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from casemate.wire import canonical
from casemate.wire.dsse import Envelope
from casemate.wire.fields import (
    Bytes,
    Bytes32,
    FormatOne,
    LoanMode,
    Model,
    PolicyName,
    PrincipalName,
    SecretName,
    Sha256,
    SigningKeyText,
    Time,
)
from casemate.wire.release import Number
from casemate.wire.rules import Access, Principal

__all__ = [
    "DecidedPerson",
    "DecisionAnswer",
    "DecisionsAnswer",
    "PolicyAnswer",
    "PolicyCreation",
    "PolicyGenesis",
    "PolicyLookup",
    "PolicyUpdate",
    "StepRecord",
    "Submission",
    "VersionAnswer",
    "VersionEntry",
    "VersionsAnswer",
]


class PolicyGenesis(Model):
    casemate_genesis: FormatOne
    policy: PolicyName
    custodian: Sha256
    principals: Annotated[dict[PrincipalName, Principal], Field(min_length=1, max_length=256)]
    access: Access
    insecure_simulation: bool
    random: Bytes32

    def identity(self) -> str:
        return canonical.digest(self.to_object())


class Submission(Model):
    """Payload of a policy envelope. `document` is judged by `casemate.policy.model`."""

    casemate_submission: FormatOne
    custodian: Sha256
    genesis: Sha256
    predecessor: Sha256 | None = None
    expires: Time
    document: dict[str, Any]


class PolicyCreation(Model):
    genesis: Bytes
    submission: Envelope
    sealed: dict[SecretName, Bytes] = Field(default_factory=dict)


class PolicyUpdate(Model):
    submission: Envelope
    sealed: dict[SecretName, Bytes] = Field(default_factory=dict)


class VersionAnswer(Model):
    genesis: Sha256
    version: Sha256
    name: PolicyName
    number: Number


class PolicyLookup(Model):
    genesis: Sha256


class PolicyAnswer(Model):
    genesis: Bytes
    version: Sha256
    number: Number
    submission: Envelope


class VersionEntry(Model):
    version: Sha256
    number: Number
    predecessor: Sha256 | None = None
    time: Time
    signers: list[SigningKeyText]


class VersionsAnswer(Model):
    versions: list[VersionEntry]


class StepRecord(Model):
    """One step of a decision, in the order of spec/policy.md. `held` is absent for steps that were not reached."""

    step: str
    held: bool | None = None
    expected: str | None = None
    got: str | None = None


class DecidedPerson(Model):
    """Who wanted a volume by hand. `name` is the principal's in the version that decided."""

    name: PrincipalName
    key: SigningKeyText
    volume: str
    mode: LoanMode


class DecisionAnswer(Model):
    """A decision with everything that those with `read` may know: on a workload, or on a `person`."""

    id: str
    time: Time
    outcome: Literal["released", "renewed", "denied", "revoked"]
    policy: PolicyName
    genesis: Sha256
    version: Sha256 | None = None
    service: str | None = None
    manifest: Sha256 | None = None
    platform: str | None = None
    runtime: str | None = None
    person: DecidedPerson | None = None
    step: str | None = None
    expected: str | None = None
    got: str | None = None
    remedy: str | None = None
    steps: list[StepRecord] = Field(default_factory=list)
    claims: dict[str, Any] = Field(default_factory=dict)


class DecisionsAnswer(Model):
    decisions: list[DecisionAnswer]
