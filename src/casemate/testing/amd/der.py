"""As much DER as it takes to build what a library refuses to build (X.690 §8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["bit_string", "children", "encode", "sequence"]

_SEQUENCE: Final = 0x30
_BIT_STRING: Final = 0x03
_LONG_FORM: Final = 0x80


def encode(tag: int, body: bytes) -> bytes:
    if len(body) < _LONG_FORM:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(length))) + length + body


def sequence(parts: Sequence[bytes]) -> bytes:
    return encode(_SEQUENCE, b"".join(parts))


def bit_string(body: bytes) -> bytes:
    return encode(_BIT_STRING, b"\0" + body)


def children(der: bytes) -> list[bytes]:
    """What a constructed value is made of, each with its tag and length."""
    start, end = _extent(der, 0)
    found = []
    while start < end:
        _, stop = _extent(der, start)
        found.append(der[start:stop])
        start = stop
    return found


def _extent(der: bytes, position: int) -> tuple[int, int]:
    """Where the body of the value at `position` starts and ends."""
    length, start = der[position + 1], position + 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[position + 2 : start], "big")
    return start, start + length
