"""The certificate that a custodian serves TLS with: made for each instance, over evidence (spec/ra-tls.md)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from casemate.attestation.certificate_form import SERIAL_BYTES, Form, certificate_of
from casemate.attestation.cmw import Record, encode_cbor
from casemate.custodian.keys.identity import Identity
from casemate.custodian.keys.instance import InstanceSecret
from casemate.custodian.platform_channel import ChannelEvidence
from casemate.wire import canonical
from casemate.wire.binding import Purpose, sha256_text, signing_key_text
from casemate.wire.ra_tls import RA_TLS_TYPE, RaTls, identity_message, key_digest

__all__ = ["TlsSecret", "certificate_over", "issue_tls", "public_key_of", "tls_of"]


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """Key and certificate, PEM."""

    key: bytes = field(repr=False)
    certificate: bytes


class _Evidence(Protocol):
    """How the platform is asked for evidence: `PlatformChannel.evidence`."""

    def __call__(
        self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str, purpose: Purpose
    ) -> ChannelEvidence: ...


def tls_of(identity: Identity, instance: InstanceSecret, evidence: _Evidence) -> TlsSecret:
    """For as long as the instance's own certificate, and vouched for by its key. Errors: `PlatformError`."""
    key = Ed25519PrivateKey.from_private_bytes(instance.key)
    signing_key = signing_key_text(key.public_key().public_bytes_raw())

    def carry(public_key: bytes) -> RaTls:
        found = evidence(
            nonce=key_digest(public_key),
            custodian=identity.identity,
            signing_key=signing_key,
            hpke_key=identity.sealing_key,
            purpose=Purpose.RA_TLS,
        )
        return RaTls(
            casemate_ra_tls=1,
            custodian=identity.identity,
            manifest=sha256_text(found.manifest),
            signing_key=signing_key,
            hpke_key=identity.sealing_key,
            evidence=found.evidence,
            endorsements=found.endorsements,
            instance=instance.header,
            signature=key.sign(identity_message(identity.identity, public_key)),
        )

    return issue_tls(carry, start=instance.not_before, end=instance.not_after)


def issue_tls(carry: Callable[[bytes], RaTls], *, start: float, end: float) -> TlsSecret:
    """A new key, and its certificate from `start` to `end` (Unix seconds). `carry` makes what the certificate carries
    over its public key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificate_over(
        key,
        carry(public_key_of(key)),
        start=datetime.fromtimestamp(start, UTC),
        end=datetime.fromtimestamp(end, UTC),
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return TlsSecret(private, certificate.public_bytes(Encoding.PEM))


def public_key_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certificate_over(
    key: ec.EllipticCurvePrivateKey, carried: RaTls, *, start: datetime, end: datetime
) -> x509.Certificate:
    """Signed by its own key: nobody else vouches for it. Times are cut to whole seconds, UTC."""
    value = encode_cbor(Record(RA_TLS_TYPE, canonical.encode(carried.to_object())))
    signed = Form(_serial(), start, end, public_key_of(key), value).signed()
    return x509.load_der_x509_certificate(certificate_of(signed, key.sign(signed, ec.ECDSA(hashes.SHA256()))))


def _serial() -> bytes:
    serial = secrets.token_bytes(SERIAL_BYTES)
    return bytes([serial[0] & 0x3F | 0x40]) + serial[1:]
