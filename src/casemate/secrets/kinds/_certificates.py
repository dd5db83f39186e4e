"""X.509 certificates (RFC 5280) for what a policy describes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from casemate.errors import SecretError
from casemate.secrets.kinds._keys import PrivateKey, load_key

__all__ = ["authority", "ends_soon", "leaf"]

_BACKDATED: Final = timedelta(minutes=5)
"""Clocks of peers run behind."""

_USAGES: Final = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


def authority(key: PrivateKey, common_name: str, now: datetime, valid_for: timedelta) -> bytes:
    """A self-signed CA that signs leaves only (path length 0), PEM."""
    name = _name(common_name)
    builder = _builder(name, name, key, now, now + valid_for)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(certificates=True), critical=True)
    return builder.sign(key, _hash(key)).public_bytes(Encoding.PEM)


def leaf(
    key: PrivateKey,
    issuer: Mapping[str, bytes],
    *,
    common_name: str,
    dns: Sequence[str],
    ip: Sequence[str],
    usage: Sequence[str],
    now: datetime,
    valid_for: timedelta,
) -> bytes:
    """A certificate for `key`, signed by the CA whose material `issuer` is, PEM. It never outlives the CA."""
    ca = x509.load_pem_x509_certificate(issuer["certificate"])
    signer = load_key(issuer["private_key"])
    end = min(now + valid_for, ca.not_valid_after_utc)
    if end <= now:
        raise SecretError("the CA that would issue this has ended", step="secrets.issue", remedy="rotate the CA")
    names = [x509.DNSName(name) for name in dns] + [x509.IPAddress(ipaddress.ip_address(text)) for text in ip]
    builder = _builder(_name(common_name), ca.subject, key, now, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGES[name] for name in usage]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, _hash(signer)).public_bytes(Encoding.PEM)


def ends_soon(pem: bytes, now: datetime) -> bool:
    """Whether less than a third of the certificate's life is left."""
    certificate = x509.load_pem_x509_certificate(pem)
    whole = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < whole / 3


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end.astimezone(UTC).replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    """Ed25519 signs the message itself (RFC 8410)."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
