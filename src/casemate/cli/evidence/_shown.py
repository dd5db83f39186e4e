"""What is in a file that may hold evidence or a result, as fields for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cryptography import x509

from casemate.attestation.carried import Carried, carried_in, certificate_in
from casemate.attestation.catalogue import FORMATS
from casemate.attestation.certificates import reading
from casemate.attestation.cmw import RESULT, decode_cmw, looks_wrapped, records_in
from casemate.attestation.eventlog import fields_of_log
from casemate.attestation.reading import MAX_FILE_BYTES, evidence_in
from casemate.errors import CasemateError, TooLargeError
from casemate.wire.evidence import Evidence
from casemate.wire.results import is_token, split_token

__all__ = ["lines", "said", "shown"]

_SHORT: Final = 64
"""Bytes of an extension that are shown whole."""


def shown(data: bytes) -> tuple[dict[str, Any], str]:
    """The fields, and the command that verifies what they are of. Errors: InputError, EvidenceError."""
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError("the file is too large", expected=f"≤ {MAX_FILE_BYTES} bytes", got=str(len(data)))
    if (token := _wrapped_token(data)) is not None:
        return _token(token), "verify-result"
    if (certificate := certificate_in(data)) is not None:
        return _certificate(certificate), "verify"
    return _evidence(evidence_in(data)), "verify"


def lines(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """One field a line; what is inside of another is named by both."""
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from lines(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {_text(value)}"


def said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say something: of what was verified, people are not told what is not there."""
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


def _wrapped_token(data: bytes) -> bytes | None:
    """A result token, alone or as the one record of a wrapper."""
    if is_token(data):
        return data
    if looks_wrapped(data):
        try:
            records = records_in(decode_cmw(data))
        except CasemateError:
            return None
        if len(records) == 1 and records[0][1].media_type == RESULT and is_token(records[0][1].value):
            return records[0][1].value
    return None


def _token(data: bytes) -> dict[str, Any]:
    token = split_token(data.decode("ascii", "replace").strip())
    return {"kind": "attestation result (EAR)", "header": token.header.to_object(), **token.result().to_object()}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    known = FORMATS[evidence.format]
    fields = {"platform": known.platform, "format": evidence.format, **known.fields(evidence.report)}
    return fields | (fields_of_log(evidence.log) if evidence.log is not None else {})


def _certificate(certificate: x509.Certificate) -> dict[str, Any]:
    with reading("certificate", "evidence.certificates"):
        fields = {
            "kind": "certificate",
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "from": certificate.not_valid_before_utc.isoformat(),
            "to": certificate.not_valid_after_utc.isoformat(),
        }
    found = carried_in(certificate)
    for one in found:
        fields[one.oid] = _extension(one)
    evidence = next((one.wrapped.evidence for one in found if one.wrapped is not None), None)
    return {**fields, "evidence": None if evidence is None else _evidence(evidence)}


def _extension(one: Carried) -> str:
    value = one.value.hex() if len(one.value) <= _SHORT else f"{len(one.value)} bytes"
    return f"{one.name}: {value}" + (f" ({one.problem})" if one.problem else "")


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
