"""What one endorsement is: read to be shown and to be told from a newer one, never to be believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from cryptography import x509

from casemate.attestation.certificates import Certificate, pem_blocks, reading
from casemate.errors import EndorsementError
from casemate.wire.fields import parse_time

__all__ = ["MAX_ENTRY_BYTES", "Facts", "facts_of", "is_list"]

MAX_ENTRY_BYTES: Final = 256 * 1024
"""Revocation lists of Intel's platforms are the largest, at some ten KiB."""

_REMEMBERED: Final = 256
_STEP: Final = "endorsements.entry"
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


@lru_cache(maxsize=_REMEMBERED)
def facts_of(name: str, data: bytes) -> Facts:
    """Of the entry of a cache, by the kind that its name says. Errors: EndorsementError."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EndorsementError(f"{name} is too large", step=_STEP, expected=f"≤ {MAX_ENTRY_BYTES} bytes")
    with reading(name, _STEP):
        if name.endswith(".json"):
            return _document(data)
        return _list(data) if is_list(name) else _certificates(data)


def is_list(name: str) -> bool:
    """Whether it is the name of a revocation list."""
    return name.endswith("crl.der")


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
    # Intel's lists all have the number 1.
    rank = (number, int(loaded.last_update_utc.timestamp()))
    (name,) = loaded.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Facts(f"revocation list {number} of {name.value!s}", loaded.last_update_utc, end, rank)


def _certificates(data: bytes) -> Facts:
    """One in DER, or several in PEM: they hold together while all of them do."""
    found = [Certificate.parse(part, "certificate") for part in pem_blocks(data, b"CERTIFICATE") or [data]]
    start, end = max(one.start for one in found), min(one.end for one in found)
    names = ", ".join(one.common_name for one in found)
    return Facts(f"certificate of {names}", start, end, (int(start.timestamp()),))
