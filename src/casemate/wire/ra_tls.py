"""What a certificate of ours carries besides its key (spec/ra-tls.md)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from casemate.wire.binding import Purpose, bind, digest_bytes, report_data
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import Bytes, FormatOne, HpkeKeyText, Model, Sha256, SigningKeyText

__all__ = ["RA_TLS_TYPE", "RaTls", "identity_message", "key_digest"]

RA_TLS_TYPE: Final = "application/vnd.casemate.ra-tls+json"
_SIGNATURE_BYTES: Final = 64
_MAX_INSTANCE: Final = 8192


class RaTls(Model):
    """Evidence over the certificate's key, and the keys and the manifest that its report data binds with it.

    A custodian's certificate has `instance` (as the header `Casemate-Instance`) and `signature` (by that instance's
    key, over `identity_message`) as well: for whoever pinned its identity and verifies no evidence.
    """

    casemate_ra_tls: FormatOne
    custodian: Sha256
    manifest: Sha256
    signing_key: SigningKeyText
    hpke_key: HpkeKeyText
    evidence: Evidence
    endorsements: Endorsements
    instance: Annotated[str | None, Field(max_length=_MAX_INSTANCE)] = None
    signature: Bytes | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.instance is None) != (self.signature is None):
            raise ValueError("an instance without its signature, or a signature without its instance")
        if self.signature is not None and len(self.signature) != _SIGNATURE_BYTES:
            raise ValueError(f"a signature has {_SIGNATURE_BYTES} bytes")
        return self

    def report_data(self, public_key: bytes) -> bytes:
        """What the evidence must be made over. `public_key` is the certificate's SubjectPublicKeyInfo, DER."""
        return report_data(
            Purpose.RA_TLS,
            custodian=self.custodian,
            nonce=key_digest(public_key),
            signing_key=self.signing_key,
            hpke_key=self.hpke_key,
            manifest=self.manifest,
        )


def key_digest(public_key: bytes) -> bytes:
    """What stands for a certificate's key: SHA-256 of its SubjectPublicKeyInfo (DER)."""
    return hashlib.sha256(public_key).digest()


def identity_message(custodian: str, public_key: bytes) -> bytes:
    """What an instance signs to say that a TLS key is its own."""
    return bind(Purpose.RA_TLS.value.encode(), digest_bytes(custodian), key_digest(public_key))
