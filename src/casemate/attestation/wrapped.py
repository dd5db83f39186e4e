"""Evidence that came with a word about what it is: in our JSON, in a wrapper (CMW), as others write configfs-tsm down.

Which type of message is read how is listed here; nothing is guessed from the bytes of a message whose type is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from casemate.attestation import cbor
from casemate.attestation.catalogue import FORMATS
from casemate.attestation.cmw import EVIDENCE, Cmw, decode_cmw, looks_wrapped, records_in
from casemate.errors import EvidenceMalformedError, InputError
from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import b64u_decode
from casemate.wire.ra_tls import RA_TLS_TYPE, RaTls

__all__ = ["Wrapped", "evidence_types", "unwrapped", "unwrapped_cmw"]

_M = TypeVar("_M", Endorsements, Evidence, RaTls)

_PROVIDERS: Final = {"sev_guest": "sev-snp-report", "tdx_guest": "tdx-quote"}
"""configfs-tsm, `provider`: Documentation/ABI/testing/configfs-tsm-report of Linux."""


@dataclass(frozen=True)
class Wrapped:
    """`endorsements` None: nothing lay beside the evidence."""

    evidence: Evidence
    endorsements: Endorsements | None = None


def unwrapped(data: bytes) -> Wrapped | None:
    """What is in a file of one of these shapes; None for one of none of them. Errors: EvidenceMalformedError."""
    value = _object(data)
    if value is not None:
        if "outblob" in value:
            return _tsm_json(data)
        if isinstance(value.get("cmw"), str):
            # A token of ratsd (Veraison): an EAT without signature, with a wrapper in base64url.
            return unwrapped_cmw(decode_cmw(_bytes(value["cmw"])))
        if not looks_wrapped(data):
            return _own(value)
    if data.startswith(b"\xa3") and b"outblob" in data:
        return _tsm_cbor(data)
    return unwrapped_cmw(decode_cmw(data)) if looks_wrapped(data) else None


def unwrapped_cmw(cmw: Cmw) -> Wrapped:
    """The one piece of evidence in a wrapper. Errors: EvidenceMalformedError."""
    records = records_in(cmw)
    found = [(label, record) for label, record in records if record.media_type in _READERS]
    if len(found) != 1:
        raise EvidenceMalformedError(
            "a wrapper with no evidence that is known" if not found else "a wrapper with several pieces of evidence",
            step="evidence.cmw",
            expected=f"one of {', '.join(evidence_types())}",
            got=", ".join(f"{label}: {record.media_type}" if label else record.media_type for label, record in records),
        )
    return _READERS[found[0][1].media_type](found[0][1].value)


def evidence_types() -> list[str]:
    """The media types of evidence that are read."""
    return sorted(_READERS)


def _own_json(data: bytes) -> Wrapped:
    value = _object(data)
    if value is None:
        raise EvidenceMalformedError("no evidence of ours: it is not JSON", step="evidence.format")
    return _own(value)


def _ra_tls(data: bytes) -> Wrapped:
    carried = _model(RaTls, _object(data))
    return Wrapped(carried.evidence, carried.endorsements)


def _own(value: Mapping[str, Any]) -> Wrapped:
    """The wire form (spec/evidence.md), alone or with endorsements beside it."""
    beside = _model(Endorsements, value["endorsements"]) if "endorsements" in value else None
    return Wrapped(_model(Evidence, value.get("evidence", value)), beside)


def _model(kind: type[_M], value: object) -> _M:
    what = kind.__name__.lower()
    try:
        return canonical.parse_model(kind, value, what=what)
    except InputError as error:
        raise EvidenceMalformedError(f"no {what} of ours: {error.message}", step="evidence.format") from error


def _tsm_json(data: bytes) -> Wrapped:
    value = _object(data) or {}
    return _tsm(
        {
            name: _bytes(text) if name.endswith("blob") and isinstance(text, str) else text
            for name, text in value.items()
        }
    )


def _tsm_cbor(data: bytes) -> Wrapped:
    value = cbor.decode(data, what="the report of configfs-tsm")
    return _tsm(value if isinstance(value, dict) else {})


def _tsm(value: Mapping[Any, Any]) -> Wrapped:
    provider, report, beside = (value.get(name) for name in ("provider", "outblob", "auxblob"))
    name = _PROVIDERS.get(str(provider).strip())
    if name is None or not isinstance(report, bytes) or not isinstance(beside, bytes | None):
        raise EvidenceMalformedError(
            "no report of configfs-tsm that is known",
            step="evidence.format",
            expected=f"outblob, and a provider of {', '.join(_PROVIDERS)}",
            got=str(provider)[:80],
        )
    evidence = Evidence.model_validate({"format": name, "report": report})
    return Wrapped(evidence, FORMATS[name].endorsements(report, [beside]) if beside else None)


_READERS: Final[Mapping[str, Callable[[bytes], Wrapped]]] = {
    EVIDENCE: _own_json,
    RA_TLS_TYPE: _ra_tls,
    "application/vnd.veraison.tsm-report+json": _tsm_json,
    "application/vnd.veraison.tsm-report+cbor": _tsm_cbor,
}


def _bytes(text: str) -> bytes:
    try:
        return b64u_decode(text)
    except InputError as error:
        raise EvidenceMalformedError(f"{error.message}", step="evidence.format") from error


def _object(data: bytes) -> dict[str, Any] | None:
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
