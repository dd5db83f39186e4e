"""What one endorsement is: read to be shown and to be told from a newer one, never to be believed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509

from casemate.attestation.certificates import Certificate, reading
from casemate.errors import EndorsementError
from casemate.wire.fields import parse_time

__all__ = ["MAX_ENTRY_BYTES", "Facts", "facts_of"]

MAX_ENTRY_BYTES: Final = 256 * 1024
"""Revocation lists of Intel's platforms are the largest, at some ten KiB."""

_STEP: Final = "endorsements.entry"
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_DOCUMENTS: Final = {"tcbInfo": "TCB info", "enclaveIdentity": "enclave identity"}


@dataclass(frozen=True, slots=True)
class Facts:
    """`what` is for people. Of two with one name the greater `rank` is the newer one."""

    what: str
    start: datetime
    end: datetime
    rank: tuple[int, ...]

    def covers(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def facts_of(name: str, data: bytes) -> Facts:
    """Of the entry of a cache, by the kind that its name says. Errors: EndorsementError."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EndorsementError(f"{name} is too large", step=_STEP, expected=f"≤ {MAX_ENTRY_BYTES} bytes")
    with reading(name, _STEP):
        if name.endswith(".json"):
            return _document(data)
        return _list(data) if "crl" in name.rpartition("/")[2] else _certificates(data)


def _document(data: bytes) -> Facts:
    """TCB info or enclave identity (Intel, "API Documentation", PCS version 4): JSON beside its signature."""
    value: Any = json.loads(data)
    kind = next(kind for kind in _DOCUMENTS if kind in value)
    content = value[kind]
    issued, number = parse_time(content["issueDate"]), int(content["tcbEvaluationDataNumber"])
    of = content.get("fmspc", "").lower()
    what = " ".join(part for part in (content["id"], _DOCUMENTS[kind], of) if part)
    rank = (number, int(issued.timestamp()))
    return Facts(f"{what}, evaluation {number}", issued, parse_time(content["nextUpdate"]), rank)


def _list(data: bytes) -> Facts:
    loaded = x509.load_der_x509_crl(data)
    number = loaded.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    end = loaded.next_update_utc
    if end is None:
        raise EndorsementError("a revocation list without an end", step=_STEP)
    (name,) = loaded.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Facts(f"revocation list {number} of {name.value!s}", loaded.last_update_utc, end, (number,))


def _certificates(data: bytes) -> Facts:
    """One in DER, or several in PEM: they hold together while all of them do."""
    found = [Certificate.parse(part, "certificate") for part in _PEM.findall(data) or [data]]
    start, end = max(one.start for one in found), min(one.end for one in found)
    names = ", ".join(one.common_name for one in found)
    return Facts(f"certificate of {names}", start, end, (int(start.timestamp()),))
