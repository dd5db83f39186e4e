"""Evidence in files of this and other projects: bytes as they are, as hex, as base64, or in our own JSON."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import Any, Final, TypeVar

from casemate.attestation.catalogue import FORMATS
from casemate.errors import EvidenceMalformedError, InputError, TooLargeError
from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["MAX_FILE_BYTES", "endorsements_in", "evidence_in"]

MAX_FILE_BYTES: Final = 256 * 1024
_Known = TypeVar("_Known", Endorsements, Evidence)


def evidence_in(data: bytes, *, platform: str | None = None) -> Evidence:
    """What is in a file, of the platform that is named or of the one that its bytes say.

    Errors: EvidenceMalformedError, TooLargeError.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError("the evidence is too large", expected=f"≤ {MAX_FILE_BYTES} bytes", got=str(len(data)))
    if (own := _own_form(data)) is not None:
        return _of(own, platform)
    for candidate in _spelled(data):
        for name, known in FORMATS.items():
            if known.recognises(candidate):
                return _of(Evidence.model_validate({"format": name, "report": candidate}), platform)
    raise EvidenceMalformedError(
        "no evidence that is known",
        step="evidence.format",
        expected=", ".join(known.platform for known in FORMATS.values()),
        remedy="name the file of the report itself: raw, as hex, as base64, or in our JSON",
    )


def _of(evidence: Evidence, platform: str | None) -> Evidence:
    found = FORMATS[evidence.format].platform
    if platform not in (None, found):
        raise EvidenceMalformedError(
            "evidence of another platform", step="evidence.format", expected=platform, got=found
        )
    return evidence


def endorsements_in(data: bytes) -> Endorsements | None:
    """What lies beside the evidence in our own JSON; None where nothing does. Errors: EvidenceMalformedError."""
    value = _object(data)
    return None if value is None or "endorsements" not in value else _model(Endorsements, value["endorsements"])


def _own_form(data: bytes) -> Evidence | None:
    """The wire form (spec/evidence.md), alone or with endorsements beside it."""
    value = _object(data)
    return None if value is None else _model(Evidence, value.get("evidence", value))


def _object(data: bytes) -> dict[str, Any] | None:
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _model(kind: type[_Known], value: object) -> _Known:
    what = kind.__name__.lower()
    try:
        return canonical.parse_model(kind, value, what=what)
    except InputError as error:
        raise EvidenceMalformedError(f"no {what} of ours: {error.message}", step="evidence.format") from error


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
