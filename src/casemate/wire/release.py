"""Challenges, attestations, configuration, leases (spec/protocol.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import (
    MAX_INTEGER,
    Bytes,
    Bytes16,
    Bytes32,
    FormatOne,
    HoleName,
    HpkeKeyText,
    Model,
    Sha256,
    SigningKeyText,
    VolumeName,
)
from casemate.wire.statements import MAX_STATEMENT_BYTES, MAX_STATEMENTS

__all__ = [
    "AttestationAnswer",
    "AttestationRequest",
    "ChallengeAnswer",
    "ChallengeRequest",
    "Configuration",
    "ConfiguredFile",
    "ConfiguredVolume",
    "Lease",
    "Number",
    "PolicyReference",
    "RenewalAnswer",
    "RenewalRequest",
    "User",
]

Seconds = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Number = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
"""Counts from 1: versions of a policy, renewals of a lease."""
FileMode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]


class ChallengeRequest(Model):
    """Nothing is asked: the nonce is bound to what is sent back with it."""


class ChallengeAnswer(Model):
    nonce: Bytes32
    expires_in: Seconds


Statement = Annotated[Bytes, Field(max_length=MAX_STATEMENT_BYTES)]
"""A DSSE envelope (spec/releases.md); whether it is one shows when it is judged."""


class AttestationRequest(Model):
    """`statements`: releases that the policy may ask for. They are the host's word until their signatures count."""

    nonce: Bytes32
    evidence: Evidence
    endorsements: Endorsements
    manifest: Bytes
    signing_key: SigningKeyText
    hpke_key: HpkeKeyText
    statements: Annotated[list[Statement], Field(min_length=1, max_length=MAX_STATEMENTS)] | None = None


class PolicyReference(Model):
    genesis: Sha256
    version: Sha256
    number: Number


class Lease(Model):
    id: Bytes16
    seconds: Seconds


class AttestationAnswer(Model):
    result: str
    decision: str
    policy: PolicyReference
    lease: Lease
    configuration: Bytes


class RenewalRequest(Model):
    sequence: Number


class RenewalAnswer(Model):
    sequence: Number
    seconds: Seconds


class User(Model):
    uid: Annotated[int, Field(ge=0, le=2**31 - 1)]
    gid: Annotated[int, Field(ge=0, le=2**31 - 1)]


class ConfiguredFile(Model):
    """A file with its content, which is often a secret."""

    path: str
    content: Annotated[Bytes, Field(repr=False)]
    mode: FileMode


class ConfiguredVolume(Model):
    """A sealed volume, its place and its key. `interval_ms` is there exactly with freshness `interval`."""

    path: str
    volume: VolumeName
    mode: Literal["write", "read"]
    freshness: Literal["strict", "interval", "none"]
    root: Literal["tag", "hash"]
    interval_ms: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    key: Annotated[Bytes32, Field(repr=False)]

    @model_validator(mode="after")
    def _interval_fits(self) -> ConfiguredVolume:
        if (self.freshness == "interval") != (self.interval_ms is not None):
            raise ValueError("an interval belongs to freshness: interval, and to nothing else")
        return self


class Configuration(Model):
    """What the shield gets, sealed. Holds secrets: print nothing of it."""

    casemate_configuration: FormatOne
    holes: dict[HoleName, str] = Field(repr=False)
    files: list[ConfiguredFile] = Field(repr=False)
    volumes: Annotated[list[ConfiguredVolume], Field(min_length=1)] | None = Field(default=None, repr=False)
    image_key: Bytes32 | None = Field(default=None, repr=False)
    output_key: Bytes32 | None = Field(default=None, repr=False)
    user: User | None = None
