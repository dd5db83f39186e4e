"""Keys by name, and certificates and lists by plan: what is planned is made, right or wrong, and really signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from casemate.testing.amd.certificates import Extensions, usage

__all__ = ["CertificatePlan", "ListPlan", "key_of", "name_of", "plain_signature", "point_of"]

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_END: Final = datetime(2049, 1, 1, tzinfo=UTC)
_LIST_START: Final = datetime(2026, 5, 20, tzinfo=UTC)
_LIST_END: Final = datetime(2026, 6, 19, tzinfo=UTC)


@cache
def key_of(name: str) -> ec.EllipticCurvePrivateKey:
    """P-256, the same for the same name."""
    seed = hashlib.sha512(f"casemate made-up Intel: {name}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """x ‖ y."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def plain_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """r ‖ s. Deterministic (RFC 6979)."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def name_of(common: str) -> x509.Name:
    """Intel's names, with an organisation that nobody can mistake."""
    parts = (
        (x509.NameOID.COMMON_NAME, common),
        (x509.NameOID.ORGANIZATION_NAME, "Casemate tests: protects nothing"),
        (x509.NameOID.COUNTRY_NAME, "US"),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


@dataclass(frozen=True)
class CertificatePlan:
    """`key` is certified, `signer` signs; both by name. `path_length` is that of an authority, None of others.
    `change` is the last to touch the bytes.
    """

    subject: str
    issuer: str
    key: str
    signer: str
    serial: int
    path_length: int | None = None
    uses: tuple[str, ...] = ("digital_signature", "content_commitment")
    extensions: Extensions = ()
    start: datetime = _START
    end: datetime = _END
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    change: Callable[[bytes], bytes] = field(default=lambda der: der)

    def issue(self) -> bytes:
        """DER."""
        key = key_of(self.key) if isinstance(self.curve, ec.SECP256R1) else ec.derive_private_key(1, self.curve)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(self.subject))
            .issuer_name(name_of(self.issuer))
            .public_key(key.public_key())
            .serial_number(self.serial)
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(self.path_length is not None, self.path_length), critical=True)
            .add_extension(usage(*self.uses), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of(self.signer).public_key()), critical=False
            )
        )
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        made = builder.sign(key_of(self.signer), hashes.SHA256(), ecdsa_deterministic=True)
        return self.change(made.public_bytes(Encoding.DER))


@dataclass(frozen=True)
class ListPlan:
    """`revoked` are serial numbers; `number` None leaves it out."""

    issuer: str
    signer: str
    number: int | None = 1
    start: datetime = _LIST_START
    end: datetime = _LIST_END
    revoked: tuple[int, ...] = ()
    extensions: Extensions = ()

    def issue(self) -> bytes:
        """DER."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(name_of(self.issuer))
        builder = builder.last_update(self.start).next_update(self.end)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of(self.signer).public_key()), critical=False
        )
        if self.number is not None:
            builder = builder.add_extension(x509.CRLNumber(self.number), critical=False)
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.start)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key_of(self.signer), hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)
