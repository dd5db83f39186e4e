"""A quote's signatures: the machine's key signed the quoting enclave's report, which names the key of the quote."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.platforms.intel.chain import PckChain, verified_chain
from casemate.attestation.platforms.intel.quote import PCK_CHAIN, Quote
from casemate.attestation.platforms.intel.reader import malformed
from casemate.attestation.platforms.intel.reports import EnclaveReport
from casemate.attestation.platforms.intel.signing import plain_signature_holds
from casemate.errors import EndorsementError, SignatureError

__all__ = ["QuotingEnclave", "check_quote", "pck_chain", "quoting_enclave"]

_REMEMBERED: Final = 1024
"""Quoting enclaves: each keeps its key until its machine is updated."""

_AUTHENTICATION_BYTES: Final = 32
"""The format and Intel's quote verification library (`QeAuthData::insert`) know any length, 0 among them. Intel's
quoting enclaves, of SGX and of TDX, write this one and no other (`REF_ECDSDA_AUTHENTICATION_DATA_SIZE`), and nobody
else's vouch: so a quote has no room for what nobody looks at. Quotes of other lengths can be read, and do not verify.
"""
_UNCOMPRESSED: Final = b"\x04"


@dataclass(frozen=True)
class QuotingEnclave:
    """`key` signs quotes."""

    report: EnclaveReport
    key: ec.EllipticCurvePublicKey


def pck_chain(quote: Quote, root: bytes) -> PckChain:
    """Errors: EndorsementError."""
    if quote.attested.certification_type != PCK_CHAIN:
        raise EndorsementError(
            "the quote does not bring the certificates of its machine",
            step="evidence.pck",
            expected=f"certification data of type {PCK_CHAIN}",
            got=f"type {quote.attested.certification_type}",
            remedy="have the machine's quoting library fetch its PCK certificate",
        )
    return verified_chain(quote.attested.certification, root)


def quoting_enclave(quote: Quote, chain: PckChain) -> QuotingEnclave:
    """The one whose key signs this quote, as the machine vouches for it. Errors: EvidenceError."""
    attested = quote.attested
    if (length := len(attested.authentication)) != _AUTHENTICATION_BYTES:
        raise malformed("authentication data of another length", str(_AUTHENTICATION_BYTES), str(length))
    return _vouched(attested.qe_report, attested.qe_signature, attested.point, attested.authentication, chain)


def check_quote(quote: Quote, enclave: QuotingEnclave) -> None:
    """Errors: SignatureError."""
    if not plain_signature_holds(enclave.key, quote.signed, quote.attested.signature):
        raise SignatureError(
            "the quote is not signed by its quoting enclave's key",
            step="evidence.signature",
            remedy="the quote was changed on its way",
        )


@lru_cache(maxsize=_REMEMBERED)
def _vouched(report: bytes, signature: bytes, point: bytes, authentication: bytes, chain: PckChain) -> QuotingEnclave:
    if not plain_signature_holds(chain.key, report, signature):
        raise SignatureError("the machine did not sign the quoting enclave's report", step="evidence.qe_signature")
    enclave = EnclaveReport.parse(report, "the quoting enclave's report")
    held = hashlib.sha256(point + authentication).digest().ljust(64, b"\0")
    if not hmac.compare_digest(held, enclave.report_data):
        raise SignatureError("the quoting enclave does not hold this quote's key", step="evidence.qe_signature")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _UNCOMPRESSED + point)
    except ValueError as error:
        raise SignatureError("the quote's key is no point of the curve", step="evidence.qe_signature") from error
    return QuotingEnclave(enclave, key)
