"""Event logs of the TCG, as firmware would write them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["BANKS", "Record", "first_record", "short_log", "start", "written"]

BANKS: Final = {"sha1": 0x04, "sha256": 0x0B, "sha384": 0x0C}
_NO_ACTION: Final = 3


@dataclass(frozen=True)
class Record:
    """`extended` is what the digests are of, zeros of None; `banks` those that it has a digest for."""

    register: int
    kind: int
    extended: bytes | None
    data: bytes = b""
    banks: Sequence[str] = tuple(BANKS)

    def digest(self, bank: str) -> bytes:
        if self.extended is None:
            return bytes(hashlib.new(bank).digest_size)
        return hashlib.new(bank, self.extended).digest()

    def written(self) -> bytes:
        """TCG_PCR_EVENT2."""
        digests = b"".join(_number(BANKS[bank], 2) + self.digest(bank) for bank in self.banks)
        return _head(self) + _number(len(self.banks), 4) + digests + _sized(self.data)

    def short(self) -> bytes:
        """TCG_PCR_EVENT."""
        return _head(self) + self.digest("sha1") + _sized(self.data)


def start(banks: Sequence[str] = tuple(BANKS), *, sizes: Sequence[int] | None = None, vendor: bytes = b"") -> bytes:
    """TCG_EfiSpecIdEvent of version 2.0."""
    digests = sizes or [hashlib.new(bank).digest_size for bank in banks]
    listed = b"".join(_number(BANKS[bank], 2) + _number(size, 2) for bank, size in zip(banks, digests, strict=True))
    versions = bytes([0, 0, 0, 0, 0, 2, 0, 2])
    return b"Spec ID Event03\0" + versions + _number(len(banks), 4) + listed + bytes([len(vendor)]) + vendor


def first_record(data: bytes) -> bytes:
    return Record(0, _NO_ACTION, None, data).short()


def written(records: Sequence[Record], banks: Sequence[str] = tuple(BANKS)) -> bytes:
    return first_record(start(banks)) + b"".join(record.written() for record in records)


def short_log(records: Sequence[Record]) -> bytes:
    """Of a TPM 1.2."""
    return b"".join(record.short() for record in records)


def _head(record: Record) -> bytes:
    return _number(record.register, 4) + _number(record.kind, 4)


def _sized(data: bytes) -> bytes:
    return _number(len(data), 4) + data


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")
