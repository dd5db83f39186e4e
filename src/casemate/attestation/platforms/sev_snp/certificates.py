"""AMD's certificates: the table that carries them, the chain, the extensions of the key that signs reports.

Table: GHCB specification 56421, "SNP Extended Guest Request". Extensions: VCEK specification 57230, table "X.509
extensions"; newer certificates wrap numbers as INTEGER, some older ones hold the bare bytes of HWID.
"""

from __future__ import annotations

import struct
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from casemate.errors import EndorsementError

__all__ = [
    "ARK",
    "ASK",
    "MAX_TABLE_BYTES",
    "VCEK",
    "VLEK",
    "KeyExtensions",
    "build_certificate_table",
    "is_signed_by",
    "key_extensions",
    "load_certificate",
    "parse_certificate_table",
]

ARK: Final = uuid.UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")
ASK: Final = uuid.UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
VCEK: Final = uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd")
VLEK: Final = uuid.UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
"""The ASVK, which signs VLEKs, travels in the place of the ASK."""

MAX_TABLE_BYTES: Final = 64 * 1024
"""Real tables are below 8 KiB."""

_ENTRY: Final = struct.Struct("<16sII")
_ARC: Final = "1.3.6.1.4.1.3704.1"
_PRODUCT: Final = f"{_ARC}.2"
_SPL: Final = {"bootloader": 1, "tee": 2, "snp": 3, "microcode": 8, "fmc": 9}
_HWID: Final = f"{_ARC}.4"
_CSP_ID: Final = f"{_ARC}.5"


def parse_certificate_table(data: bytes) -> dict[uuid.UUID, bytes]:
    """GUID → certificate bytes (DER or PEM). `EndorsementError` for anything that is not a table."""
    if len(data) > MAX_TABLE_BYTES:
        raise _bad("the certificate table is too large", f"≤ {MAX_TABLE_BYTES} bytes", str(len(data)))
    entries: dict[uuid.UUID, bytes] = {}
    position = 0
    while True:
        if position + _ENTRY.size > len(data):
            raise _bad("the certificate table has no end", "an entry of zeros")
        guid, offset, length = _ENTRY.unpack_from(data, position)
        if not any(guid) and not offset and not length:
            return entries
        key = uuid.UUID(bytes=guid)
        if key in entries or offset < position or offset + length > len(data):
            raise _bad("the certificate table points outside itself, or names a certificate twice")
        entries[key] = data[offset : offset + length]
        position += _ENTRY.size


def build_certificate_table(certificates: Mapping[uuid.UUID, bytes]) -> bytes:
    """Exact inverse of `parse_certificate_table`."""
    offset = _ENTRY.size * (len(certificates) + 1)
    head, body = b"", b""
    for guid, certificate in certificates.items():
        head += _ENTRY.pack(guid.bytes, offset + len(body), len(certificate))
        body += certificate
    return head + bytes(_ENTRY.size) + body


def load_certificate(data: bytes, what: str) -> x509.Certificate:
    try:
        with warnings.catch_warnings():
            # AMD gives every VCEK the serial number 0, which RFC 5280 does not allow.
            warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
            if data.startswith(b"-----BEGIN CERTIFICATE-----"):
                return x509.load_pem_x509_certificate(data)
            return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise _bad(f"the {what} is not a certificate") from error


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """RSASSA-PSS with SHA-384 and 4,096 bits, as AMD's; names must chain as well."""
    key = issuer.public_key()
    if certificate.issuer != issuer.subject or not isinstance(key, rsa.RSAPublicKey) or key.key_size != 4096:
        return False
    try:
        key.verify(
            certificate.signature,
            certificate.tbs_certificate_bytes,
            padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48),
            hashes.SHA384(),
        )
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class KeyExtensions:
    """What AMD certified about the key: security versions; the chip (VCEK) or the cloud provider (VLEK)."""

    product: str
    spl: Mapping[str, int]
    hwid: bytes | None
    csp_id: str | None


def key_extensions(certificate: x509.Certificate) -> KeyExtensions:
    """`EndorsementError` where one is missing, twice, or not of its type."""
    try:
        values = {
            extension.oid.dotted_string: extension.value.value
            for extension in certificate.extensions
            if isinstance(extension.value, x509.UnrecognizedExtension)
        }
    except (ValueError, x509.DuplicateExtension) as error:
        raise _bad("the report key's certificate has extensions that cannot be read") from error
    spl = {name: _integer(values[f"{_ARC}.3.{arc}"], name) for name, arc in _SPL.items() if f"{_ARC}.3.{arc}" in values}
    if missing := {"bootloader", "tee", "snp", "microcode"} - set(spl):
        raise _bad(f"the report key's certificate lacks {', '.join(sorted(missing))}")
    return KeyExtensions(
        product=_text(values.get(_PRODUCT, b""), "product name"),
        spl=spl,
        hwid=_hwid(values[_HWID]) if _HWID in values else None,
        csp_id=_text(values[_CSP_ID], "CSP id") if _CSP_ID in values else None,
    )


def _integer(der: bytes, name: str) -> int:
    """DER INTEGER 0..255 in its only form."""
    if len(der) in (3, 4) and der[0] == 2 and der[1] == len(der) - 2:
        value = int.from_bytes(der[2:], "big", signed=True)
        if 0 <= value <= 255 and len(der) == (3 if value < 128 else 4):
            return value
    raise _bad(f"the certificate's {name} is not an INTEGER of 0 to 255")


def _text(der: bytes, name: str) -> str:
    """DER IA5String, short form."""
    if len(der) >= 2 and der[0] == 0x16 and der[1] == len(der) - 2 < 128 and der[2:].isascii():
        return der[2:].decode("ascii")
    raise _bad(f"the certificate's {name} is not an IA5String")


def _hwid(value: bytes) -> bytes:
    """64 bytes, on Turin 8; bare, or as an OCTET STRING."""
    if len(value) in (8, 64):
        return value
    if len(value) in (10, 66) and value[0] == 4 and value[1] == len(value) - 2:
        return value[2:]
    raise _bad("the certificate's HWID has an odd length", "8 or 64 bytes", str(len(value)))


def _bad(message: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step="evidence.certificates", expected=expected, got=got)
