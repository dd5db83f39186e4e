"""Certificates and revocation lists by plan: what is planned is made, right or wrong, and really signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.testing.amd import der
from casemate.testing.amd.keys import AuthorityKey, Scheme

__all__ = [
    "END",
    "LIST_END",
    "LIST_START",
    "START",
    "CertificatePlan",
    "Extensions",
    "ListPlan",
    "RevokedEntry",
    "name_of",
    "usage",
]

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
END: Final = datetime(2049, 1, 1, tzinfo=UTC)
LIST_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LIST_END: Final = datetime(2026, 3, 1, tzinfo=UTC)

_SCHEME: Final = Scheme()

Extensions = tuple[tuple[x509.ExtensionType, bool], ...]
"""Extensions, and whether each is critical."""

_USES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def name_of(common: str) -> x509.Name:
    """AMD's names with words in front that nobody can mistake."""
    parts = (
        (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "Engineering"),
        (x509.NameOID.COUNTRY_NAME, "US"),
        (x509.NameOID.ORGANIZATION_NAME, "Casemate tests: protects nothing"),
        (x509.NameOID.COMMON_NAME, common),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in uses for use in _USES})


@dataclass(frozen=True)
class CertificatePlan:
    """`key` is certified, `signer` signs. `change` is the last to touch the bytes that are signed."""

    subject: str
    issuer: str
    key: AuthorityKey
    signer: AuthorityKey
    serial: int
    start: datetime = START
    end: datetime = END
    extensions: Extensions = ()
    scheme: Scheme = _SCHEME
    change: Callable[[bytes], bytes] | None = None

    @cache  # noqa: B019  # as long as the keys, which live as long as the process
    def issue(self) -> bytes:
        """DER. The same plan gives the same bytes, in this process."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(self.subject))
            .issuer_name(name_of(self.issuer))
            .public_key(self.key.public_key())
            .serial_number(self.serial)
            .not_valid_before(self.start)
            .not_valid_after(self.end)
        )
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        rsa_padding = self.scheme.padding if isinstance(self.signer, rsa.RSAPrivateKey) else None
        made = builder.sign(self.signer, self.scheme.algorithm(), rsa_padding=rsa_padding).public_bytes(Encoding.DER)
        return made if self.change is None else _signed_anew(made, self.change, self.signer)


@dataclass(frozen=True)
class RevokedEntry:
    """`issuer` where the list names certificates of somebody else."""

    serial: int
    issuer: str | None = None
    extensions: Extensions = ()

    def build(self) -> x509.RevokedCertificate:
        builder = x509.RevokedCertificateBuilder(self.serial, LIST_START)
        if self.issuer is not None:
            issuer = x509.CertificateIssuer([x509.DirectoryName(name_of(self.issuer))])
            builder = builder.add_extension(issuer, critical=True)
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        return builder.build()


@dataclass(frozen=True)
class ListPlan:
    """`number` None leaves it out, as does `endless` the date of the next list."""

    issuer: str
    signer: AuthorityKey
    number: int | None = 7
    start: datetime = LIST_START
    end: datetime = LIST_END
    revoked: tuple[RevokedEntry, ...] = ()
    extensions: Extensions = ()
    endless: bool = False
    change: Callable[[bytes], bytes] | None = None

    @cache  # noqa: B019  # as long as the keys, which live as long as the process
    def issue(self) -> bytes:
        """DER. The same plan gives the same bytes, in this process."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(name_of(self.issuer))
        builder = builder.last_update(self.start).next_update(self.end)
        if self.number is not None:
            builder = builder.add_extension(x509.CRLNumber(self.number), critical=False)
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        for entry in self.revoked:
            builder = builder.add_revoked_certificate(entry.build())
        rsa_padding = _SCHEME.padding if isinstance(self.signer, rsa.RSAPrivateKey) else None
        made = builder.sign(self.signer, _SCHEME.algorithm(), rsa_padding=rsa_padding).public_bytes(Encoding.DER)
        change = _without_end if self.endless else self.change
        return made if change is None else _signed_anew(made, change, self.signer)


def _without_end(signed: bytes) -> bytes:
    """The library insists on `nextUpdate`, the fifth part; RFC 5280 §5.1.2 makes it optional in the syntax."""
    version, algorithm, issuer, start, _end, *rest = der.children(signed)
    return der.sequence((version, algorithm, issuer, start, *rest))


def _signed_anew(made: bytes, change: Callable[[bytes], bytes], signer: AuthorityKey) -> bytes:
    signed, algorithm, _ = der.children(made)
    signed = change(signed)
    return der.sequence((signed, algorithm, der.bit_string(_SCHEME.sign(signer, signed))))
