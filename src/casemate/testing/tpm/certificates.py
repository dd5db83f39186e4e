"""A made-up maker of TPMs: a root, an authority below it, certificates of keys, and what was revoked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.platforms.tpm.machine import MACHINE
from casemate.testing.amd.certificates import usage
from casemate.testing.tpm.keys import rsa_key

__all__ = [
    "AT",
    "END",
    "LIST_END",
    "LIST_START",
    "NUMBER",
    "START",
    "Authority",
    "KeyCertificate",
    "RevocationPlan",
    "name_of",
]

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
END: Final = datetime(2049, 1, 1, tzinfo=UTC)
LIST_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LIST_END: Final = datetime(2026, 3, 1, tzinfo=UTC)
AT: Final = datetime(2026, 2, 1, tzinfo=UTC)
NUMBER: Final = 7

_MAKER: Final = x509.ObjectIdentifier("2.23.133.2.1")
"""tpmManufacturer: in the alternative name of a key's certificate, whose subject is empty."""
_ENDORSES: Final = x509.ObjectIdentifier("2.23.133.8.1")

Signer = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Authority:
    """`issuer` None: a root. `names` is who it says that it is signed by, where that is somebody else."""

    name: str
    issuer: Authority | None = None
    authority: bool = True
    path_length: int | None = None
    uses: tuple[str, ...] = ("key_cert_sign", "crl_sign")
    bits: int = 2048
    start: datetime = START
    end: datetime = END
    names: str | None = None
    sha384: bool = False
    """Whether its certificate is signed with that."""
    key: Signer | None = field(default=None, repr=False)

    @property
    def signer(self) -> Signer:
        return self.key or rsa_key(self.name, self.bits)

    @cache  # noqa: B019  # as long as the keys, which live as long as the process
    def issue(self) -> bytes:
        """DER."""
        issuer = self.issuer or self
        constraints = x509.BasicConstraints(self.authority, self.path_length if self.authority else None)
        builder = (
            _builder(name_of(self.name), name_of(self.names or issuer.name), self.start, self.end, self.name)
            .public_key(self.signer.public_key())
            .add_extension(constraints, critical=True)
            .add_extension(usage(*self.uses), critical=True)
        )
        return _signed(builder, issuer, hashes.SHA384() if self.sha384 else hashes.SHA256())


@dataclass(frozen=True)
class KeyCertificate:
    """Of a key that signs quotes."""

    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = field(repr=False)
    issuer: Authority
    authority: bool = False
    uses: tuple[str, ...] = ("digital_signature",)
    start: datetime = START
    end: datetime = END
    critical: bool = False
    """Whether there is an extension that nobody knows."""
    machine: bytes | None = None
    """What Google says of it: the extension's DER."""

    def issue(self) -> bytes:
        """DER."""
        maker = x509.DirectoryName(x509.Name([x509.NameAttribute(_MAKER, "id:00000000")]))
        builder = (
            _builder(x509.Name([]), name_of(self.issuer.name), self.start, self.end, "key")
            .public_key(self.key)
            .add_extension(x509.BasicConstraints(self.authority, None), critical=True)
            .add_extension(usage(*self.uses), critical=True)
            .add_extension(x509.SubjectAlternativeName([maker]), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_ENDORSES]), critical=False)
        )
        if self.critical:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        if self.machine is not None:
            said = x509.UnrecognizedExtension(x509.ObjectIdentifier(MACHINE), self.machine)
            builder = builder.add_extension(said, critical=False)
        return _signed(builder, self.issuer, hashes.SHA256())


@dataclass(frozen=True)
class RevocationPlan:
    issuer: Authority
    number: int = NUMBER
    revoked: tuple[str, ...] = ()
    """Names of authorities, `key` for the key's certificate."""
    start: datetime = LIST_START
    end: datetime = LIST_END

    def issue(self) -> bytes:
        """DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name_of(self.issuer.name))
            .last_update(self.start)
            .next_update(self.end)
            .add_extension(x509.CRLNumber(self.number), critical=False)
        )
        for name in self.revoked:
            entry = x509.RevokedCertificateBuilder(_serial(name), self.start).build()
            builder = builder.add_revoked_certificate(entry)
        return _signed(builder, self.issuer, hashes.SHA256())


def name_of(text: str) -> x509.Name:
    parts = ((x509.NameOID.ORGANIZATION_NAME, "Casemate tests: protects nothing"), (x509.NameOID.COMMON_NAME, text))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _builder(
    subject: x509.Name, issuer: x509.Name, start: datetime, end: datetime, name: str
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(_serial(name))
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _signed(
    builder: x509.CertificateBuilder | x509.CertificateRevocationListBuilder,
    issuer: Authority,
    algorithm: hashes.SHA256 | hashes.SHA384,
) -> bytes:
    """DER, the same of each call."""
    deterministic = True if isinstance(issuer.signer, ec.EllipticCurvePrivateKey) else None
    return builder.sign(issuer.signer, algorithm, ecdsa_deterministic=deterministic).public_bytes(Encoding.DER)


def _serial(name: str) -> int:
    return int.from_bytes(name.encode()[:16], "big")
