"""Conceptual message wrappers (CMW, RFC 9999): evidence and results with the media type of what they are.

A wrapper says what is inside and protects nothing: what it holds is judged as if it had come without. Records (JSON and
CBOR), tags and collections are read, each in one spelling: CBOR of definite lengths, JSON as everywhere in Casemate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from casemate.attestation import cbor
from casemate.errors import EvidenceMalformedError, InputError
from casemate.wire import canonical
from casemate.wire.fields import b64u_decode, b64u_encode

__all__ = [
    "EVIDENCE",
    "RESULT",
    "Cmw",
    "Collection",
    "Record",
    "decode_cmw",
    "encode_cbor",
    "encode_json",
    "looks_like_cbor",
    "looks_wrapped",
    "records_in",
]

EVIDENCE: Final = "application/vnd.casemate.evidence+json"
"""The wire form of spec/evidence.md."""
RESULT: Final = "application/eat+jwt"
"""RFC 9782; results of a custodian (spec/ear-profile.md) among them."""

_CONTENT_FORMATS: Final = {
    263: "application/eat+cwt",
    264: "application/eat+jwt",
    265: "application/eat-bun+cbor",
    266: "application/eat-bun+json",
    267: "application/eat-ucs+cbor",
    268: "application/eat-ucs+json",
}
"""CoAP content formats of RATS (RFC 9782, section 6); ours has none."""

_TYPE_KEY: Final = "__cmwc_t"
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(rf'{_NAME}/{_NAME}( *; *{_WORD}=({_WORD}|"([ !#-\[\]-~]|\\[ -~])*"))*')
"""RFC 9193, section 2."""
_URI_OR_OID: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+|[0-2](\.(0|[1-9][0-9]*))+")
_INDICATORS: Final = range(1, 32)
"""Five kinds of messages have a bit: reference values, endorsements, evidence, results, policies."""
_FIRST_TAG: Final = 1_668_546_817
_FORMATS_A_BLOCK: Final = 255
_LAST_FORMAT: Final = 65_024
"""RFC 9277, appendix B: each block of 256 tags stands for 255 content formats."""
_MAX_DEPTH: Final = 4
_MAX_ITEMS: Final = 64


@dataclass(frozen=True)
class Record:
    """`type` is a media type, or the number of a CoAP content format that is not known here; `indicators` the bits that
    say which kinds of messages are inside, 0 where it does not say.
    """

    type: str | int
    value: bytes = field(repr=False)
    indicators: int = 0

    @property
    def media_type(self) -> str:
        """Without parameters, in lower case."""
        return self.type.partition(";")[0].strip().lower() if isinstance(self.type, str) else f"format {self.type}"


@dataclass(frozen=True)
class Collection:
    """`items` by their labels; `type` is a URI or an object identifier that says what labels mean."""

    items: Mapping[str | int, Cmw]
    type: str | None = None


Cmw = Record | Collection


def looks_like_cbor(data: bytes) -> bool:
    """By the first byte, as RFC 9999 proposes: a record, a tag or a collection of CBOR, if it is a wrapper."""
    return data[:1] in (b"\x82", b"\x83", b"\xda") or b"\xa1" <= data[:1] <= b"\xb8"


def looks_wrapped(data: bytes) -> bool:
    """By the first byte, and of JSON a look at the second: our own is an object as well."""
    if looks_like_cbor(data):
        return True
    text = data.lstrip(b" \t\r\n")
    return text.startswith(b"[") or (text.startswith(b"{") and b'"application/' in text and b"[" in text)


def decode_cmw(data: bytes) -> Cmw:
    """Errors: EvidenceMalformedError."""
    if looks_like_cbor(data):
        return _from_cbor(cbor.decode(data, what="the wrapper", tags=True), 0)
    try:
        return _from_json(canonical.decode(data), 0)
    except InputError as error:
        raise _refused(error.message) from error


def records_in(cmw: Cmw, label: str = "") -> list[tuple[str, Record]]:
    """Every record, with the labels that lead to it."""
    if isinstance(cmw, Record):
        return [(label, cmw)]
    return [
        found
        for name, inner in cmw.items.items()
        for found in records_in(inner, f"{label}/{name}" if label else str(name))
    ]


def encode_json(record: Record) -> bytes:
    """A record whose type is a media type."""
    return canonical.encode(
        [record.type, b64u_encode(record.value), *([record.indicators] if record.indicators else [])]
    )


def encode_cbor(record: Record) -> bytes:
    kind = cbor.encode_text(record.type) if isinstance(record.type, str) else cbor.encode_integer(record.type)
    parts = [kind, cbor.encode_bytes(record.value)]
    if record.indicators:
        parts.append(cbor.encode_integer(record.indicators))
    return cbor.encode_head(cbor.ARRAY, len(parts)) + b"".join(parts)


def _from_json(value: Any, depth: int) -> Cmw:
    if isinstance(value, dict):
        return _collection(value, depth, labels=str, inner=_from_json)
    kind, text, *more = _parts(value)
    if not isinstance(kind, str) or not isinstance(text, str):
        raise _refused("a record of JSON is a media type and base64url")
    return Record(_media_type(kind), b64u_decode(text), _indicators(more))


def _from_cbor(value: Any, depth: int) -> Cmw:
    if isinstance(value, dict):
        return _collection(value, depth, labels=(str, int), inner=_from_cbor)
    if isinstance(value, cbor.Tagged):
        return _tagged(value)
    kind, data, *more = _parts(value)
    if not isinstance(data, bytes) or isinstance(kind, bool) or not isinstance(kind, str | int):
        raise _refused("a record of CBOR is a type and bytes")
    return Record(_format(kind) if isinstance(kind, int) else _media_type(kind), data, _indicators(more))


def _parts(value: Any) -> list[Any]:
    if not isinstance(value, list) or not 2 <= len(value) <= 3:
        raise _refused("neither a record nor a collection")
    return value


def _tagged(value: cbor.Tagged) -> Record:
    block, place = divmod(value.tag - _FIRST_TAG, _FORMATS_A_BLOCK + 1)
    if block < 0 or place == _FORMATS_A_BLOCK or not isinstance(value.value, bytes):
        raise _refused(f"tag {value.tag} is not of a content format, or has no bytes behind it")
    return Record(_format(block * _FORMATS_A_BLOCK + place), value.value)


def _collection(value: dict[Any, Any], depth: int, *, labels: Any, inner: Any) -> Collection:
    kind = value.get(_TYPE_KEY)
    if _TYPE_KEY in value and (not isinstance(kind, str) or not _URI_OR_OID.fullmatch(kind)):
        raise _refused(f"{_TYPE_KEY} is neither a URI nor an object identifier")
    items = {label: item for label, item in value.items() if label != _TYPE_KEY}
    if not 1 <= len(items) <= _MAX_ITEMS or depth >= _MAX_DEPTH:
        raise _refused(f"a collection has 1 to {_MAX_ITEMS} parts, and is at most {_MAX_DEPTH} deep")
    if not all(isinstance(label, labels) and label != "" for label in items):
        raise _refused("a label that is none")
    return Collection({label: inner(item, depth + 1) for label, item in items.items()}, kind)


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise _refused(f"no media type: {text[:80]!r}")
    return text


def _format(number: int) -> str | int:
    if not 0 <= number <= _LAST_FORMAT:
        raise _refused(f"no content format: {number}")
    return _CONTENT_FORMATS.get(number, number)


def _indicators(more: list[Any]) -> int:
    if not more:
        return 0
    if isinstance(more[0], bool) or more[0] not in _INDICATORS:
        raise _refused("indicators that are not those of five kinds of messages")
    return int(more[0])


def _refused(why: str) -> EvidenceMalformedError:
    return EvidenceMalformedError(f"no conceptual message wrapper: {why}", step="evidence.cmw")
