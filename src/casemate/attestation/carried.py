"""Evidence in X.509 certificates: whose extensions are known, and what is inside (RA-TLS, aTLS). For people.

Nothing here is believed. How our own certificates are verified is in `casemate.attestation.ra_tls`; those of other
projects are verified by what is inside, where it is of a format that we know.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from casemate.attestation import cbor
from casemate.attestation.catalogue import FORMATS
from casemate.attestation.certificates import reading
from casemate.attestation.cmw import decode_cmw
from casemate.attestation.wrapped import Wrapped, unwrapped_cmw
from casemate.errors import EvidenceError, InputError
from casemate.wire.evidence import Evidence

__all__ = ["DICE_CMW", "PKIX_CMW", "Carried", "carried_in", "certificate_in"]

DICE_CMW: Final = "2.23.133.5.4.9"
"""TCG DICE Attestation Architecture 1.1, section 6.1.8: tcg-dice-conceptual-message-wrapper."""
PKIX_CMW: Final = "1.3.6.1.5.5.7.1.35"
"""RFC 9999: id-pe-cmw."""

_OTHERS: Final = {
    PKIX_CMW: "conceptual message wrapper (RFC 9999)",
    "2.23.133.5.4.2": "TCG DICE: endorsements",
    "1.2.840.113741.1337.6": "Gramine: SGX quote (RA-TLS before the TCG's extension)",
    # As Gramine writes it: the bytes of an object identifier, with type and length once more inside.
    "0.6.9.42.840.113741.1337.6": "Gramine: SGX quote (RA-TLS before the TCG's extension)",
    "1.3.6.1.4.1.62397.1.1": "dstack: quote",
    "1.3.6.1.4.1.62397.1.2": "dstack: event log",
    "1.3.6.1.4.1.62397.1.3": "dstack: application",
    "1.3.6.1.4.1.62397.1.4": "dstack: what the certificate is for",
    "1.3.9901.2.1": "Contrast: SEV-SNP attestation",
    "1.3.9901.2.2": "Contrast: TDX attestation",
    "1.3.9901.3.1": "Contrast: workload secret",
    "1.3.9901.2.1.21": "Contrast, SEV-SNP: report data",
    "1.3.9901.2.1.22": "Contrast, SEV-SNP: measurement",
    "1.3.9901.2.1.23": "Contrast, SEV-SNP: host data",
    "1.3.9901.2.1.32": "Contrast, SEV-SNP: chip",
    "1.3.9901.2.2.9": "Contrast, TDX: MRSEAM",
    "1.3.9901.2.2.14": "Contrast, TDX: MRTD",
    "1.3.9901.2.2.15": "Contrast, TDX: MRCONFIGID",
    **{f"1.3.9901.2.2.{18 + number}": f"Contrast, TDX: RTMR{number}" for number in range(4)},
}
_FAMILIES: Final = {
    "1.3.9901.": "Contrast: a claim",
    "1.3.6.1.4.1.62397.1.": "dstack: attestation",
}
"""What begins so is theirs, whatever it is."""

_GRAMINE_TAG: Final = 60_000
"""CBOR, of TEE quotes: an array of the quote and claims (Gramine, `ra_tls_common.h`; Interoperable RA-TLS)."""
_OCTETS, _UTF8, _SEQUENCE = 0x04, 0x0C, 0x30


@dataclass(frozen=True)
class Carried:
    """An extension that is known. `problem` says why there is no evidence in one that should have some."""

    oid: str
    name: str
    value: bytes = field(repr=False)
    wrapped: Wrapped | None = None
    problem: str | None = None


def certificate_in(data: bytes) -> x509.Certificate | None:
    """PEM or DER; None for what does not look like one. Errors: EndorsementError."""
    if data.lstrip().startswith(b"-----BEGIN CERTIFICATE-----"):
        with reading("certificate", "evidence.certificates"):
            return x509.load_pem_x509_certificate(data)
    if data[:2] != b"\x30\x82" or data[4:6] not in (b"\x30\x82", b"\x30\x81"):
        return None
    with reading("certificate", "evidence.certificates"):
        return x509.load_der_x509_certificate(data)


def carried_in(certificate: x509.Certificate) -> list[Carried]:
    """Its extensions that carry evidence or say something of it. Errors: EndorsementError."""
    with reading("certificate", "evidence.certificates"):
        found = [
            (extension.oid.dotted_string, extension.value.value)
            for extension in certificate.extensions
            if isinstance(extension.value, x509.UnrecognizedExtension)
        ]
    return [_carried(oid, name, value) for oid, value in found if (name := _name(oid, value)) is not None]


def _name(oid: str, value: bytes) -> str | None:
    if oid == DICE_CMW:
        return "Gramine: tagged evidence (TCG DICE)" if _gramine(value) else "conceptual message wrapper (TCG DICE)"
    family = next((name for start, name in _FAMILIES.items() if oid.startswith(start)), None)
    return _OTHERS.get(oid, family)


def _carried(oid: str, name: str, value: bytes) -> Carried:
    try:
        return Carried(oid, name, value, _evidence(oid, value))
    except (EvidenceError, InputError) as error:
        return Carried(oid, name, value, problem=error.message)


def _evidence(oid: str, value: bytes) -> Wrapped | None:
    candidates = list(_inside(value))
    if oid in (DICE_CMW, PKIX_CMW):
        quote = _gramine(value)
        return _recognised([quote]) if quote else unwrapped_cmw(decode_cmw(candidates[-1]))
    return _recognised(candidates)


def _inside(value: bytes) -> Iterator[bytes]:
    """The value, and what is in it where it is an OCTET STRING, a UTF8String, or a SEQUENCE of one of them."""
    yield value
    for kind in (_SEQUENCE, _OCTETS, _UTF8):
        inner = _der(value, kind)
        if inner is not None:
            value = inner
            yield inner


def _der(data: bytes, kind: int) -> bytes | None:
    """The content of one DER item of this kind that is all of `data` (X.690, section 8.1.3)."""
    if len(data) < 2 or data[0] != kind or data[1] == 0x80:
        return None
    size = data[1] - 0x80 if data[1] > 0x80 else 0
    length = int.from_bytes(data[2 : 2 + size], "big") if size else data[1]
    return data[2 + size :] if size <= 4 and len(data) == 2 + size + length else None


def _gramine(value: bytes) -> bytes | None:
    """The quote in Gramine's tagged evidence."""
    with contextlib.suppress(EvidenceError):
        found = cbor.decode(value, what="tagged evidence", tags=True)
        if isinstance(found, cbor.Tagged) and found.tag == _GRAMINE_TAG:
            parts = found.value
            if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], bytes):
                return parts[0]
    return None


def _recognised(candidates: list[bytes]) -> Wrapped | None:
    for data in candidates:
        for name, known in FORMATS.items():
            if known.recognises(data):
                return Wrapped(Evidence.model_validate({"format": name, "report": data}))
    return None
