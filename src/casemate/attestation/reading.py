"""Evidence in files of this and other projects.

As bytes, as hex, as base64, in our own JSON, in wrappers, in certificates.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from typing import Final

from casemate.attestation.carried import carried_in, certificate_in
from casemate.attestation.catalogue import FORMATS
from casemate.attestation.wrapped import Wrapped, unwrapped
from casemate.errors import EvidenceMalformedError, TooLargeError
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.results import is_token

__all__ = ["MAX_FILE_BYTES", "endorsements_in", "evidence_in"]

MAX_FILE_BYTES: Final = 256 * 1024

_REMEDY: Final = "name the file of the report itself: raw, as hex, as base64, in our JSON, or in a wrapper (CMW)"


def evidence_in(data: bytes, *, platform: str | None = None) -> Evidence:
    """What is in a file, of the platform that is named or of the one that its bytes say.

    Errors: EvidenceMalformedError, TooLargeError.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError("the evidence is too large", expected=f"≤ {MAX_FILE_BYTES} bytes", got=str(len(data)))
    for candidate in _spelled(data):
        for name, known in FORMATS.items():
            if known.recognises(candidate):
                return _of(Evidence.model_validate({"format": name, "report": candidate}), platform)
    if (wrapped := _wrapped(data)) is not None:
        return _of(wrapped.evidence, platform)
    raise _unknown(data, platform)


def _of(evidence: Evidence, platform: str | None) -> Evidence:
    found = FORMATS[evidence.format].platform
    if platform not in (None, found):
        raise EvidenceMalformedError(
            "evidence of another platform", step="evidence.format", expected=platform, got=found
        )
    return evidence


def _unknown(data: bytes, platform: str | None) -> EvidenceMalformedError:
    got, remedy = f"{len(data)} bytes" if data else "an empty file", _REMEDY
    if is_token(data):
        got, remedy = "a result (EAR)", "casemate evidence verify-result verifies what a custodian found"
    elif certificate_in(data) is not None:
        got = "a certificate without evidence that is known"
    return EvidenceMalformedError(
        "no evidence that is known",
        step="evidence.format",
        expected=platform or ", ".join(known.platform for known in FORMATS.values()),
        got=got,
        remedy=remedy,
    )


def endorsements_in(data: bytes) -> Endorsements | None:
    """What lies beside the evidence in the same file; None where nothing does. Errors: EvidenceMalformedError."""
    if any(known.recognises(candidate) for candidate in _spelled(data) for known in FORMATS.values()):
        return None
    wrapped = _wrapped(data)
    return None if wrapped is None else wrapped.endorsements


def _wrapped(data: bytes) -> Wrapped | None:
    certificate = certificate_in(data)
    if certificate is None:
        return unwrapped(data)
    return next((one.wrapped for one in carried_in(certificate) if one.wrapped is not None), None)


def _spelled(data: bytes) -> list[bytes]:
    found, text = [data], b"".join(data.split())
    with contextlib.suppress(ValueError):
        found.append(bytes.fromhex(text.decode("ascii").removeprefix("0x")))
    for alphabet in (None, b"-_"):
        try:
            found.append(base64.b64decode(text + b"=" * (-len(text) % 4), altchars=alphabet, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
