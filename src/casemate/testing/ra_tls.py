"""Certificates with extensions of any kind, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = ["START", "certificate_with"]

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def certificate_with(
    *extensions: tuple[str, bytes], key: ec.EllipticCurvePrivateKey | None = None, critical: bool = False
) -> bytes:
    """DER, self-signed, for a day from `START`, with these extensions: dotted object identifiers and values."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    for oid, value in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
