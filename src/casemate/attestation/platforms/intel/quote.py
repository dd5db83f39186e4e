"""Quotes: bytes into structs. Version 3 is of SGX; 4 and 5 are of SGX or TDX, as their header says, 5 also of TDX 1.5.

Sources: Intel SGX ECDSA QuoteLibReference DCAP API, appendix A (version 3); Intel TDX DCAP Quoting Library API,
appendix A.3 (version 4: tables "TD Quote Header", "TEE type" 0 for SGX, and "ECDSA 256-bit Quote Signature Data
Structure - Version 4") and A.4 (version 5: table "TD Quote Body Descriptor", type 1 "SGX Enclave Report");
sgx_quote_4.h and sgx_quote_5.h of Intel's DCAP. How environment and type of body must fit together is Intel's quote
verification library's (`Quote::parse`, `Quote::validate`).

Quotes are handed out in buffers that may be longer than they are: what follows one must be zeros, and nothing else is
unauthenticated in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from casemate.attestation.platforms.intel.reader import Reader, malformed
from casemate.attestation.platforms.intel.reports import (
    ENCLAVE_REPORT_BYTES,
    TD_REPORT_10_BYTES,
    TD_REPORT_15_BYTES,
    EnclaveReport,
    TdReport,
)
from casemate.errors import TooLargeError

__all__ = ["MAX_QUOTE_BYTES", "PCK_CHAIN", "Attested", "Quote", "looks_like_quote"]

MAX_QUOTE_BYTES: Final = 64 * 1024
"""Real ones are about 5,000 bytes, in buffers of up to 16 KiB."""

SGX_TYPE: Final = 0
TDX_TYPE: Final = 0x81

PCK_CHAIN: Final = 5
"""Certification data: PCK certificate, its authority and the root, in PEM. Others name the key and do not bring it."""

_QE_REPORT: Final = 6
"""Certification data of version 4 and 5: the quoting enclave's report, with certification data of its own."""
_ECDSA_P256: Final = 2
_INTEL_QE: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_HEADER_BYTES: Final = 48
_SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 64
_BODIES: Final = {SGX_TYPE: ENCLAVE_REPORT_BYTES, TDX_TYPE: TD_REPORT_10_BYTES}
_TYPED_BODIES: Final = {
    (SGX_TYPE, 1): ENCLAVE_REPORT_BYTES,
    (TDX_TYPE, 2): TD_REPORT_10_BYTES,
    (TDX_TYPE, 3): TD_REPORT_15_BYTES,
}
"""Version 5: by environment and the number of the type."""


@dataclass(frozen=True, slots=True)
class Attested:
    """What vouches for a quote. `signature` is r ‖ s over it, by the key of `point` (x ‖ y). The quoting enclave's
    report holds the hash of that and of `authentication`; `qe_signature` over the report is by the machine's PCK, of
    which `certification` tells, in the form that `certification_type` says.
    """

    signature: bytes
    point: bytes
    qe_report: bytes
    qe_signature: bytes
    authentication: bytes
    certification_type: int
    certification: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a quote says; nothing of it is believed before its signatures verified. `signed` are the bytes under the
    signature; `whole` is the quote without the zeros after it, of which `padding` is the number.
    """

    version: int
    user_data: bytes
    body: EnclaveReport | TdReport
    attested: Attested
    padding: int
    signed: bytes = field(repr=False)
    whole: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Quote:
        """Errors: EvidenceMalformedError, TooLargeError."""
        if len(data) > MAX_QUOTE_BYTES:
            raise TooLargeError("the quote is too large", expected=f"≤ {MAX_QUOTE_BYTES} bytes", got=str(len(data)))
        reader = Reader(data, "the quote")
        version, tee_type, user_data = _header(reader)
        body = reader.take(_body_size(reader, version, tee_type), "body")
        signed = data[: reader.position]
        attested = _attested(reader.take(reader.number(4, "signature's length"), "signature"), version)
        whole = data[: reader.position]
        reader.zeros(len(data) - reader.position, "what follows the end")
        return cls(
            version=version,
            user_data=user_data,
            body=EnclaveReport.parse(body, "the enclave's report") if tee_type == SGX_TYPE else TdReport.parse(body),
            attested=attested,
            padding=len(data) - len(whole),
            signed=signed,
            whole=whole,
        )


def looks_like_quote(data: bytes, *, tdx: bool) -> bool:
    """Whether bytes may be a quote of this kind, whatever else is in them."""
    version, tee_type = int.from_bytes(data[:2], "little"), int.from_bytes(data[4:8], "little")
    begins = len(data) > _HEADER_BYTES and version in (3, 4, 5) and data[12:28] == _INTEL_QE
    return begins and tee_type == (TDX_TYPE if tdx else SGX_TYPE)


def _header(reader: Reader) -> tuple[int, int, bytes]:
    """Version, environment, user data. Security versions of QE and PCE (version 3 only) are told better elsewhere."""
    version = reader.number(2, "version")
    if version not in (3, 4, 5):
        raise malformed("another version", "3, 4 or 5", str(version))
    if (key_type := reader.number(2, "type of key")) != _ECDSA_P256:
        raise malformed("another type of key", "2 (ECDSA P-256)", str(key_type))
    tee_type = reader.number(4, "type")
    if tee_type not in ((SGX_TYPE,) if version == 3 else (SGX_TYPE, TDX_TYPE)):
        raise malformed("another type of environment", "SGX, or TDX in versions 4 and 5", f"{tee_type:#x}")
    if version == 3:
        reader.take(4, "security versions")
    else:
        reader.zeros(4, "reserved field of the header")
    if (vendor := reader.take(16, "vendor")) != _INTEL_QE:
        raise malformed("a quoting enclave that is not Intel's", _INTEL_QE.hex(), vendor.hex())
    return version, tee_type, reader.take(20, "user data")


def _body_size(reader: Reader, version: int, tee_type: int) -> int:
    if version < 5:
        return _BODIES[tee_type]
    kind, size = reader.number(2, "type of body"), reader.number(4, "size of body")
    if _TYPED_BODIES.get((tee_type, kind)) != size:
        expected = "an SGX report" if tee_type == SGX_TYPE else "a TD report 1.0 or 1.5"
        raise malformed("a body that is not of its environment", expected, f"type {kind} of {size} bytes")
    return size


def _attested(data: bytes, version: int) -> Attested:
    reader = Reader(data, "the signature")
    signature, key = reader.take(_SIGNATURE_BYTES, "signature"), reader.take(_KEY_BYTES, "key")
    if version > 3:
        if (kind := reader.number(2, "type of certification")) != _QE_REPORT:
            raise malformed("no report of the quoting enclave", str(_QE_REPORT), str(kind))
        inner = reader.take(reader.number(4, "length of certification"), "certification")
        reader.end()
        reader = Reader(inner, "the certification")
    qe_report, qe_signature = reader.take(ENCLAVE_REPORT_BYTES, "QE report"), reader.take(_SIGNATURE_BYTES, "signature")
    authentication = reader.take(reader.number(2, "length of authentication data"), "authentication data")
    kind = reader.number(2, "type of certification data")
    certification = reader.take(reader.number(4, "length of certification data"), "certification data")
    reader.end()
    return Attested(signature, key, qe_report, qe_signature, authentication, kind, certification)
