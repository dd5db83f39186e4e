"""CBOR (RFC 8949), as much of it as evidence is made of, and one spelling only.

Integers, byte and text strings, arrays, maps, false, true and null, all of definite length and in their shortest form;
no floating point, no name twice in a map, and tags only where a caller asks for them. Evidence has no need of the rest,
and what can be written in two ways can be understood in two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from casemate.errors import EvidenceMalformedError

__all__ = [
    "ARRAY",
    "MAP",
    "TAG",
    "Tagged",
    "decode",
    "encode_bytes",
    "encode_head",
    "encode_integer",
    "encode_text",
]

_MAX_DEPTH: Final = 8
_SIMPLE: Final = {20: False, 21: True, 22: None}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, ARRAY, MAP, TAG, _OTHER = range(8)


@dataclass(frozen=True)
class Tagged:
    """An item with a tag before it."""

    tag: int
    value: Any


def decode(data: bytes, *, what: str, tags: bool = False) -> Any:
    """One item, and nothing behind it; with `tags`, tagged ones are `Tagged`. Errors: EvidenceMalformedError."""
    reader = _Reader(data, what, tags)
    value = reader.item(0)
    if reader.at != len(data):
        raise reader.refused("bytes behind its end")
    return value


def encode_bytes(data: bytes) -> bytes:
    return encode_head(_BYTES, len(data)) + data


def encode_text(text: str) -> bytes:
    data = text.encode()
    return encode_head(_TEXT, len(data)) + data


def encode_integer(value: int) -> bytes:
    return encode_head(_UNSIGNED, value) if value >= 0 else encode_head(_NEGATIVE, -1 - value)


def encode_head(major: int, argument: int) -> bytes:
    """What stands before an item: its major type and its value, or how long it is."""
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + argument.to_bytes(size, "big")


class _Reader:
    def __init__(self, data: bytes, what: str, tags: bool) -> None:
        self._data, self._what, self._tags, self.at = data, what, tags, 0

    def item(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self.refused("nested too deeply")
        major, argument = self._argument()
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == ARRAY:
            return [self.item(depth + 1) for _ in range(argument)]
        if major == MAP:
            return self._map(argument, depth)
        if major == TAG and self._tags:
            return Tagged(argument, self.item(depth + 1))
        if major == _OTHER and argument in _SIMPLE:
            return _SIMPLE[argument]
        raise self.refused("a tag, a float or something else that evidence does not use")

    def refused(self, why: str) -> EvidenceMalformedError:
        return EvidenceMalformedError(f"{self._what} cannot be read: {why}", step="evidence.cbor")

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in range(count):
            name = self.item(depth + 1)
            if not isinstance(name, int | str) or isinstance(name, bool) or name in found:
                raise self.refused("a name that comes twice, or is none")
            found[name] = self.item(depth + 1)
        return found

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise self.refused("text that is not UTF-8") from error

    def _argument(self) -> tuple[int, int]:
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short > 27 or major == _OTHER:
            raise self.refused("an indefinite length, or a float")
        size = 1 << (short - 24)
        argument = int.from_bytes(self._take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise self.refused("a number that is longer than it must be")
        return major, argument

    def _take(self, length: int) -> bytes:
        data = self._data[self.at : self.at + length]
        if len(data) != length:
            raise self.refused("cut off")
        self.at += length
        return data
