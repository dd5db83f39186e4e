"""The certificate that a custodian serves TLS with: made for each instance, over evidence (spec/ra-tls.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from casemate.attestation.carried import DICE_CMW
from casemate.attestation.cmw import Record, encode_cbor
from casemate.wire import canonical
from casemate.wire.ra_tls import RA_TLS_TYPE, RaTls

__all__ = ["TlsSecret", "certificate_over", "issue_tls", "public_key_of"]


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """Key and certificate, PEM."""

    key: bytes = field(repr=False)
    certificate: bytes


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
    """Signed by its own key: nobody else vouches for it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "casemate")])
    value = encode_cbor(Record(RA_TLS_TYPE, canonical.encode(carried.to_object())))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # Not critical, as it should be by the TCG: TLS libraries end a handshake over what they do not know.
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(DICE_CMW), value), critical=False)
    )
    return builder.sign(key, hashes.SHA256())
