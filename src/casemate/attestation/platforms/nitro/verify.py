"""Verification of attestation documents of AWS Nitro Enclaves, in numbered steps.

 1  the document is one, with nothing in it that is not known                     document.py
 2  its bundle begins with a root that the caller trusts                          chain.py
 3  root → … → the module's key: each signed by the one before, with ES384,
    and allowed to do what it does here                                           chain.py
 4  certificates cover the time                                                   chain.py
 5  the document is signed by that key
 6  the enclave was not started in debug mode: its PCRs are measured
 7  PCR16 was extended by the expected manifest, once, and user_data is the expected one

`runtime_measurement` is PCR0, the whole image of the enclave. There are no security versions to look at: what AWS runs
below an enclave is not in the document.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from casemate.attestation.expectations import Expected, Roots, Unasked, check_expected
from casemate.attestation.platforms.nitro.chain import Chain, shipped_root, verified_chain
from casemate.attestation.platforms.nitro.document import Document
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.errors import EndorsementError, EvidenceRejectedError, SignatureError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["MANIFEST_PCR", "pcr_of", "verify_nitro"]

MANIFEST_PCR: Final = 16
"""The first that belongs to whoever runs in the enclave."""
_MEASURED: Final = (0, 1, 2)
_ZERO: Final = bytes(48)
_HALF: Final = 48


def verify_nitro(
    evidence: Evidence, _endorsements: Endorsements, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    # 1. A document that is understood in every part.
    document = Document.parse(evidence.report)
    # 2, 3. Its key, from a trusted root.
    chain = verified_chain(document.bundle, document.certificate, _root(roots))
    # 4. All of it at this time.
    chain.check_times(at)
    # 5. The module said it.
    _check_signature(document, chain)
    # 6. Nobody can look in from outside.
    _check_debug(document)
    # 7. For this manifest, this caller, this moment.
    check_expected(
        expected,
        manifest=document.pcrs.get(MANIFEST_PCR, _ZERO),
        report_data=document.user_data or b"",
        bound=pcr_of,
    )
    return VerifiedClaims(
        platform="nitro",
        product="nitro",
        runtime_measurement=f"sha384:{document.pcrs[0].hex()}",
        manifest=b"" if isinstance(expected.manifest, Unasked) else expected.manifest,
        report_data=document.user_data or b"",
        hardware=document.module.encode(),
        tcb={},
        values=_values(document),
        verified_at=at,
        ends={"nitro/bundle": min(certificate.end for certificate in chain.certificates[:-1])},
        token=VERIFIER_TOKEN,
        details=_details(document, chain),
    )


def pcr_of(manifest: bytes) -> bytes:
    """What PCR16 is once it was extended by a manifest's digest (Nitro Secure Module, ExtendPCR)."""
    return hashlib.sha384(_ZERO + manifest).digest()


def _root(roots: Roots) -> bytes:
    if not roots.aws:
        raise EndorsementError("no root that is trusted here stands behind this document", step="evidence.root")
    return shipped_root().der


def _check_signature(document: Document, chain: Chain) -> None:
    r, s = (int.from_bytes(half, "big") for half in (document.signature[:_HALF], document.signature[_HALF:]))
    try:
        chain.key.verify(encode_dss_signature(r, s), document.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise SignatureError(
            "the document is not signed by the certified key",
            step="evidence.signature",
            remedy="the document was changed, or its certificate is another module's",
        ) from error


def _check_debug(document: Document) -> None:
    measured = [document.pcrs.get(number, _ZERO) for number in _MEASURED]
    if _ZERO in measured:
        raise _rejected(
            "started in debug mode: the host can read its console, and nothing is measured", "evidence.debug"
        )


def _values(document: Document) -> dict[str, str]:
    """What a policy may ask for (`casemate.platforms`): PCR4 is the parent instance, PCR8 who signed the image."""
    registers = {f"pcr{number}": document.pcrs.get(number, _ZERO).hex() for number in range(MANIFEST_PCR)}
    return {"module": document.module, **registers}


def _details(document: Document, chain: Chain) -> dict[str, object]:
    return {
        "made": document.made.isoformat(),
        "pcrs": {str(number): value.hex() for number, value in sorted(document.pcrs.items()) if value != _ZERO},
        "nonce": None if document.nonce is None else document.nonce.hex(),
        "public_key": None if document.public_key is None else document.public_key.hex(),
        "root": chain.certificates[0].fingerprint,
        "ends": min(certificate.end for certificate in chain.certificates).isoformat(),
    }


def _rejected(message: str, step: str, expected: str | None = None, got: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got)
