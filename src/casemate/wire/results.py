"""Attestation results as tokens: EAR (draft-ietf-rats-ear-04) in a JWT, with this project's profile of it.

spec/ear-profile.md says what each claim means. A token is taken apart here, and signed; whether it may be believed is
decided where its signer's certificate is known (`casemate.client.results`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from casemate.errors import MalformedError, SignatureError, TooLargeError
from casemate.wire import canonical
from casemate.wire.binding import key_bytes
from casemate.wire.fields import MAX_INTEGER, Bytes32, Model, Sha256, SigningKeyText, b64u_decode, b64u_encode

__all__ = [
    "EAR_PROFILE",
    "MAX_TOKEN_BYTES",
    "RESULT_PROFILE",
    "RESULT_TYPE",
    "VECTOR",
    "Appraisal",
    "AttestationResult",
    "AttesterClaims",
    "Confirmation",
    "PublicKey",
    "Submodules",
    "Token",
    "TokenHeader",
    "TrustVector",
    "VerifierClaims",
    "VerifierIdentity",
    "is_token",
    "public_key",
    "sign_result",
    "split_token",
    "status_of",
]

EAR_PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
"""draft-ietf-rats-ear-04, section 3."""
RESULT_PROFILE: Final = "tag:casemate.dev,2026:ear#1"
"""Ours, of the appraisal inside (spec/ear-profile.md)."""
RESULT_TYPE: Final = "application/eat+jwt"
"""RFC 9782."""

MAX_TOKEN_BYTES: Final = 256 * 1024
"""Values, versions and advisories are bounded where claims are made; a token is under 8 KiB."""

Status = Literal["none", "affirming", "warning", "contraindicated"]
Seconds = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Entry = Annotated[int, Field(ge=-128, le=127)]


class TrustVector(Model):
    """AR4SI, section 2.3.4; its names have hyphens."""

    instance_identity: Annotated[Entry, Field(alias="instance-identity")]
    configuration: Entry
    executables: Entry
    file_system: Annotated[Entry, Field(alias="file-system")]
    hardware: Entry
    runtime_opaque: Annotated[Entry, Field(alias="runtime-opaque")]
    storage_opaque: Annotated[Entry, Field(alias="storage-opaque")]
    sourced_data: Annotated[Entry, Field(alias="sourced-data")]


VECTOR: Final = tuple(field.alias or name for name, field in TrustVector.model_fields.items())
"""The names of its entries, as they are written."""


class AttesterClaims(Model):
    """What the evidence says, after it verified. `values` are those that the policy requires one of."""

    platform: str
    product: str
    runtime_measurement: str
    manifest: Sha256
    service: str
    tcb: dict[str, Annotated[int, Field(ge=0, le=MAX_INTEGER)]]
    tcb_status: str | None = None
    advisories: list[str]
    values: dict[str, str]
    lacks: list[str]


class VerifierClaims(Model):
    """`warnings` says, for each entry of the vector that is not affirmed and could be, why."""

    warnings: dict[str, str]


class Appraisal(Model):
    eat_profile: Literal["tag:casemate.dev,2026:ear#1"]
    ear_status: Status
    ear_trustworthiness_vector: TrustVector
    ear_appraisal_policy_ids: Annotated[list[Sha256], Field(min_length=1, max_length=1)]
    ear_attester_claims: AttesterClaims
    ear_verifier_claims: VerifierClaims


class Submodules(Model):
    workload: Appraisal


class PublicKey(Model):
    """RFC 8037."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Bytes32


class Confirmation(Model):
    """RFC 7800: whoever shows the token must hold this key."""

    jwk: PublicKey


class VerifierIdentity(Model):
    developer: str
    build: str


class AttestationResult(Model):
    """The payload of a token."""

    eat_profile: Literal["tag:ietf.org,2026:rats/ear#04"]
    iss: Sha256
    iat: Seconds
    exp: Seconds
    eat_nonce: Bytes32
    cnf: Confirmation
    ear_verifier_id: VerifierIdentity
    submods: Submodules


class TokenHeader(Model):
    """`casemate_instance` is the signer's certificate, as in the header `Casemate-Instance` of an answer."""

    alg: Literal["EdDSA"]
    typ: Literal["eat+jwt"]
    kid: SigningKeyText
    casemate_instance: Annotated[str, Field(max_length=8192)]


@dataclass(frozen=True)
class Token:
    """A token whose form is right; nothing of it is verified before `check_signature`."""

    header: TokenHeader
    signed: bytes
    signature: bytes
    payload: bytes

    def check_signature(self, key: str) -> None:
        """By the holder of `key` (`ed25519:…`), else `SignatureError`."""
        try:
            Ed25519PublicKey.from_public_bytes(key_bytes(key)).verify(self.signature, self.signed)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError("the token's signature is wrong", step="result.signature") from error

    def result(self) -> AttestationResult:
        """Errors: InputError."""
        return canonical.parse_exact(AttestationResult, canonical.decode(self.payload), what="result")


def sign_result(result: AttestationResult, key: Ed25519PrivateKey, header: TokenHeader) -> str:
    """A JWS in its compact form (RFC 7515, section 7.1)."""
    parts = (header.to_object(), result.to_object())
    signed = ".".join(b64u_encode(canonical.encode(part)) for part in parts)
    return f"{signed}.{b64u_encode(key.sign(signed.encode()))}"


def is_token(data: bytes) -> bool:
    """Whether these bytes may be one: three parts of base64url, the first of which is a JSON object."""
    return data.lstrip().startswith(b"eyJ") and data.count(b".") == 2


def split_token(text: str) -> Token:
    """Errors: InputError."""
    if len(text) > MAX_TOKEN_BYTES:
        raise TooLargeError("the token is too large", step="result.form", expected=f"≤ {MAX_TOKEN_BYTES} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise MalformedError("no token: three parts with a dot between them", step="result.form")
    header, payload, signature = (b64u_decode(part) for part in parts)
    return Token(
        header=canonical.parse_exact(TokenHeader, canonical.decode(header), what="token header"),
        signed=f"{parts[0]}.{parts[1]}".encode(),
        signature=signature,
        payload=payload,
    )


def status_of(vector: Mapping[str, int]) -> Status:
    """The worst tier in the vector, as EAR asks: what claims nothing makes nothing worse."""
    tiers = {_tier(value) for value in vector.values()}
    order: tuple[Status, ...] = ("contraindicated", "warning", "affirming")
    return next((tier for tier in order if tier in tiers), "none")


def _tier(value: int) -> Status:
    """AR4SI, section 2.3.2."""
    if -1 <= value <= 1:
        return "none"
    if 2 <= value < 32 or -32 <= value < -1:
        return "affirming"
    return "warning" if 32 <= value < 96 or -96 <= value < -32 else "contraindicated"


def public_key(key: str) -> dict[str, Any]:
    """The JSON Web Key (RFC 8037) of an `ed25519:…` key."""
    return PublicKey(kty="OKP", crv="Ed25519", x=key_bytes(key)).to_object()
