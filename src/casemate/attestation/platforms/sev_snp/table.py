"""The certificate table that carries certificates beside a report (GHCB specification 56421, "SNP Extended Guest
Request"): entries of GUID, offset and length, an entry of zeros, then the certificates.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from typing import Final

from casemate.errors import EndorsementError

__all__ = [
    "ARK",
    "ASK",
    "LEAVES",
    "MAX_TABLE_BYTES",
    "VCEK",
    "VLEK",
    "build_certificate_table",
    "parse_certificate_table",
]

ARK: Final = uuid.UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")
ASK: Final = uuid.UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
"""The ASVK, which signs VLEKs, travels in the place of the ASK."""
VCEK: Final = uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd")
VLEK: Final = uuid.UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")

LEAVES: Final = {"SEV-VCEK": VCEK, "SEV-VLEK": VLEK}
"""By the common names of their certificates."""

MAX_TABLE_BYTES: Final = 64 * 1024
"""Real tables are below 8 KiB."""

_ENTRY: Final = struct.Struct("<16sII")


def parse_certificate_table(data: bytes) -> dict[uuid.UUID, bytes]:
    """GUID → certificate bytes (DER or PEM). `EndorsementError` for anything that is not a table."""
    if len(data) > MAX_TABLE_BYTES:
        raise _bad("the certificate table is too large", f"≤ {MAX_TABLE_BYTES} bytes", str(len(data)))
    places = _places(data)
    head = _ENTRY.size * (len(places) + 1)
    for offset, length in places.values():
        if offset < head or offset + length > len(data):
            raise _bad("the certificate table points outside its certificates", f"{head} to {len(data)}")
    return {guid: data[offset : offset + length] for guid, (offset, length) in places.items()}


def build_certificate_table(certificates: Mapping[uuid.UUID, bytes]) -> bytes:
    """Exact inverse of `parse_certificate_table`."""
    offset, heads = _ENTRY.size * (len(certificates) + 1), []
    for guid, certificate in certificates.items():
        heads.append(_ENTRY.pack(guid.bytes, offset, len(certificate)))
        offset += len(certificate)
    return b"".join((*heads, bytes(_ENTRY.size), *certificates.values()))


def _places(data: bytes) -> dict[uuid.UUID, tuple[int, int]]:
    """GUID → offset and length, up to the entry of zeros."""
    places: dict[uuid.UUID, tuple[int, int]] = {}
    for position in range(0, len(data) - _ENTRY.size + 1, _ENTRY.size):
        guid, offset, length = _ENTRY.unpack_from(data, position)
        if not any(guid) and not offset and not length:
            return places
        key = uuid.UUID(bytes=guid)
        if key in places:
            raise _bad("the certificate table names a certificate twice", got=str(key))
        places[key] = (offset, length)
    raise _bad("the certificate table has no end", "an entry of zeros")


def _bad(message: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step="evidence.certificates", expected=expected, got=got)
