"""Bytes of a quote, one part after the other; the first thing that does not fit is named."""

from __future__ import annotations

from casemate.errors import EvidenceMalformedError

__all__ = ["Reader", "malformed"]


class Reader:
    """Numbers are little-endian. Errors: EvidenceMalformedError."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self._position = 0

    def take(self, count: int, what: str) -> bytes:
        part = self._data[self._position : self._position + count]
        if len(part) != count:
            raise malformed(f"{self._what} ends in its {what}", f"{count} bytes", str(len(part)))
        self._position += count
        return part

    def number(self, count: int, what: str) -> int:
        return int.from_bytes(self.take(count, what), "little")

    def zeros(self, count: int, what: str) -> None:
        """Reserved bytes: what a later version puts there is not silently ignored."""
        part = self.take(count, what)
        if any(part):
            raise malformed(f"{what} of {self._what} is not zero", "zeros", part.hex())

    def rest(self) -> bytes:
        part = self._data[self._position :]
        self._position = len(self._data)
        return part

    def end(self) -> None:
        if self._position != len(self._data):
            raise malformed(f"{self._what} has more in it than it should", "its end", self.rest()[:16].hex())

    @property
    def position(self) -> int:
        return self._position


def malformed(why: str, expected: str | None = None, got: str | None = None) -> EvidenceMalformedError:
    return EvidenceMalformedError(
        f"no quote that is understood: {why}", step="evidence.quote", expected=expected, got=got
    )
