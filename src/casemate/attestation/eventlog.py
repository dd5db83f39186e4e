"""Event logs of the TCG: what firmware and boot loaders extended into registers, record by record, little-endian.

Sources: TCG PC Client Platform Firmware Profile 1.06, section 10 (records, "Spec ID" event, startup locality); of logs
for TPM 1.2, whose records have one SHA-1 digest each: TCG EFI Platform Specification 1.22, section 7. A CCEL of TDX
(UEFI 2.11, section 38.4.1) has the same records; its register 0 is MRTD, 1 to 4 are RTMR0 to RTMR3.

Nobody signs a log: it is believed as far as it replays to registers that somebody signed, and then of each record only
the digest is: what it is the digest of depends on the kind. What firmware is known to do wrong without anybody being
misled is passed by, and said in `remarks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from casemate.errors import EvidenceMalformedError, TooLargeError

__all__ = [
    "MAX_LOG_BYTES",
    "MAX_RECORDS",
    "MAX_RECORDS_BYTES",
    "NO_ACTION",
    "Event",
    "EventLog",
    "after_the_log",
    "fields_of_log",
    "kind_of",
    "replay",
]

MAX_LOG_BYTES: Final = 512 * 1024
"""With what fills it up: firmware keeps areas of 64 to 256 KiB."""
MAX_RECORDS_BYTES: Final = 128 * 1024
"""Real ones have 2 to 75 KB."""
MAX_RECORDS: Final = 4096
"""Real ones have about a hundred. Whoever sends evidence chooses them, and each costs a hash in each bank."""
NO_ACTION: Final = 3
"""The kind of records that are not extended."""

_MAX_BANKS: Final = 8
_REGISTERS: Final = 24
_NO_REGISTER: Final = 0xFFFF_FFFF
"""Of a record that belongs to none (NIST SP 800-155 events)."""
_MAX_LOCALITY: Final = 4
_LOCALITY: Final = b"StartupLocality\0"
_CRYPTO_AGILE: Final = b"Spec ID Event03\0"
_SHA1_ONLY: Final = (b"Spec ID Event00\0", b"Spec ID Event02\0")
_SHA1_BYTES: Final = 20
_PADDING: Final = (b"\0", b"\xff")
_ALGORITHMS: Final = {0x04: "sha1", 0x0B: "sha256", 0x0C: "sha384", 0x0D: "sha512"}
_HASHES: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
"""TCG Algorithm Registry. The others are kept by their numbers, and not replayed."""

_EXIT_REGISTER: Final = 5
_INVOKED: Final = b"Exit Boot Services Invocation"
_FAILED: Final = b"Exit Boot Services Returned with Failure"
_SUCCEEDED: Final = b"Exit Boot Services Returned with Success"
_EXITS: Final = ((_INVOKED, _SUCCEEDED), (_INVOKED, _FAILED), (_INVOKED, _FAILED, _SUCCEEDED))

_KINDS: Final = {
    0x00: "EV_PREBOOT_CERT", 0x01: "EV_POST_CODE", 0x03: "EV_NO_ACTION", 0x04: "EV_SEPARATOR", 0x05: "EV_ACTION",
    0x06: "EV_EVENT_TAG", 0x07: "EV_S_CRTM_CONTENTS", 0x08: "EV_S_CRTM_VERSION", 0x09: "EV_CPU_MICROCODE",
    0x0A: "EV_PLATFORM_CONFIG_FLAGS", 0x0B: "EV_TABLE_OF_DEVICES", 0x0C: "EV_COMPACT_HASH", 0x0D: "EV_IPL",
    0x0E: "EV_IPL_PARTITION_DATA", 0x0F: "EV_NONHOST_CODE", 0x10: "EV_NONHOST_CONFIG", 0x11: "EV_NONHOST_INFO",
    0x12: "EV_OMIT_BOOT_DEVICE_EVENTS", 0x13: "EV_POST_CODE2", 0x8000_0001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    0x8000_0002: "EV_EFI_VARIABLE_BOOT", 0x8000_0003: "EV_EFI_BOOT_SERVICES_APPLICATION",
    0x8000_0004: "EV_EFI_BOOT_SERVICES_DRIVER", 0x8000_0005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
    0x8000_0006: "EV_EFI_GPT_EVENT", 0x8000_0007: "EV_EFI_ACTION", 0x8000_0008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
    0x8000_0009: "EV_EFI_HANDOFF_TABLES", 0x8000_000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000_000B: "EV_EFI_HANDOFF_TABLES2", 0x8000_000C: "EV_EFI_VARIABLE_BOOT2", 0x8000_000D: "EV_EFI_GPT_EVENT2",
    0x8000_0010: "EV_EFI_HCRTM_EVENT", 0x8000_00E0: "EV_EFI_VARIABLE_AUTHORITY",
    0x8000_00E1: "EV_EFI_SPDM_FIRMWARE_BLOB", 0x8000_00E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One record. `digests` by bank (`sha1`, `sha256`, …); `data` is what the log says it is about."""

    register: int
    kind: int
    digests: Mapping[str, bytes]
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class EventLog:
    """`banks` in the order of the log; `locality` from which the TPM was started up, 0 where nothing says so."""

    banks: tuple[str, ...]
    events: tuple[Event, ...]
    remarks: tuple[str, ...]
    locality: int = 0

    @classmethod
    def parse(cls, data: bytes) -> EventLog:
        """Errors: EvidenceMalformedError, TooLargeError."""
        if len(data) > MAX_LOG_BYTES:
            raise _too_large(f"{MAX_LOG_BYTES} bytes", len(data))
        reading = _Reading(data)
        if reading.size > MAX_RECORDS_BYTES:
            raise _too_large(f"{MAX_RECORDS_BYTES} bytes of records", reading.size)
        return reading.log()


def replay(log: EventLog, bank: str) -> dict[int, bytes]:
    """Registers of a bank after all that was extended, those only that a record is about.

    Errors: EvidenceMalformedError where the log has no digests of that bank.
    """
    if bank not in log.banks or bank not in _HASHES:
        raise _malformed(f"it has no {bank} digests")
    extend = _HASHES[bank]
    size = extend(usedforsecurity=False).digest_size
    registers: dict[int, bytes] = {}
    for number, event in enumerate(log.events):
        if event.kind == NO_ACTION:
            continue
        if bank not in event.digests:
            raise _malformed(f"record {number} has no {bank} digest")
        before = registers.get(event.register) or _at_startup(event.register, log.locality, size)
        registers[event.register] = extend(before + event.digests[bank], usedforsecurity=False).digest()
    return registers


def after_the_log(register: int, bank: str, replayed: bytes) -> frozenset[bytes]:
    """What a register may hold that a log leads to as `replayed`, since firmware closed the log too early.

    That is known of PCR 5 only: when boot services end, two or three fixed texts are extended into it (section 8.2.4),
    and some firmware no longer logs them.
    """
    if register != _EXIT_REGISTER:
        return frozenset()
    return frozenset(_extended(bank, replayed, texts) for texts in _EXITS)


def fields_of_log(data: bytes) -> dict[str, Any]:
    """Everything for people: records by register and kind, and what registers of each bank they lead to.

    Errors: EvidenceMalformedError, TooLargeError.
    """
    log = EventLog.parse(data)
    replayed = {bank: replay(log, bank) for bank in log.banks if _complete(log, bank)}
    return {
        "log_banks": list(log.banks),
        "log_startup_locality": log.locality,
        "log_remarks": list(log.remarks),
        "log_records": len(log.events),
        "log_kinds": [f"{_place(event)} {kind_of(event)}" for event in log.events],
        **{
            f"log_{bank}_{number}": value.hex()
            for bank, registers in replayed.items()
            for number, value in sorted(registers.items())
        },
    }


def kind_of(event: Event) -> str:
    """Its name, for people."""
    return _KINDS.get(event.kind, f"{event.kind:#x}")


def _extended(bank: str, value: bytes, texts: Sequence[bytes]) -> bytes:
    for text in texts:
        digest = _HASHES[bank](text, usedforsecurity=False).digest()
        value = _HASHES[bank](value + digest, usedforsecurity=False).digest()
    return value


def _complete(log: EventLog, bank: str) -> bool:
    """Whether it can be replayed."""
    return bank in _HASHES and all(event.kind == NO_ACTION or bank in event.digests for event in log.events)


def _place(event: Event) -> str:
    return "-" if event.register == _NO_REGISTER else str(event.register)


def _at_startup(register: int, locality: int, size: int) -> bytes:
    """Zeros; PCR 0 ends with the locality of TPM2_Startup, or with 4 after an H-CRTM sequence (section 10.4.5.3)."""
    return bytes(size - 1) + bytes([locality if register == 0 else 0])


class _Reading:
    """Goes through a log once."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.size = len(data.rstrip(data[-1:])) if data[-1:] in _PADDING else len(data)
        """Without what fills it up."""
        self._banks: dict[int, tuple[str, int]] = {}
        """Name and size of digests, by number."""
        self._locality: int | None = None
        self._remarks: dict[str, None] = {}

    def log(self) -> EventLog:
        first = self._short_event()
        events = [first]
        if first.kind == NO_ACTION:
            self._start(first.data)
        read = self._event if self._banks else self._short_event
        while self._at < len(self._data) and not self._padding():
            events.append(read())
            if len(events) > MAX_RECORDS:
                raise _too_large(f"{MAX_RECORDS} records", len(events))
        for number, event in enumerate(events):
            self._look_at(number, event)
        banks = [name for name, _ in self._banks.values()] or ["sha1"]
        return EventLog(tuple(banks), tuple(events), tuple(self._remarks), self._locality or 0)

    def _start(self, data: bytes) -> None:
        """The first record, which says what follows."""
        if data.startswith(_CRYPTO_AGILE):
            self._banks = _banks(data)
        elif not data.startswith(_SHA1_ONLY):
            raise _malformed("its first record does not say which specification it follows")

    def _event(self) -> Event:
        """TCG_PCR_EVENT2."""
        register, kind = self._number(4), self._number(4)
        digests: dict[str, bytes] = {}
        for _ in range(self._number(4)):
            name, size = self._banks.get(self._number(2), ("", 0))
            if not name or name in digests:
                raise _malformed("a digest that comes twice, or of an algorithm that its first record does not have")
            digests[name] = self._take(size)
        return Event(register, kind, digests, self._take(self._number(4)))

    def _short_event(self) -> Event:
        """TCG_PCR_EVENT."""
        register, kind, digest = self._number(4), self._number(4), self._take(_SHA1_BYTES)
        return Event(register, kind, {"sha1": digest}, self._take(self._number(4)))

    def _look_at(self, number: int, event: Event) -> None:
        if event.kind == NO_ACTION:
            self._look_at_no_action(number, event)
        elif event.register >= _REGISTERS:
            raise _malformed(f"record {number} is about register {event.register:#x}")
        elif len(event.digests) < len(self._banks):
            self._remarks["records without a digest of each bank"] = None

    def _look_at_no_action(self, number: int, event: Event) -> None:
        if event.register not in (0, _NO_REGISTER):
            self._remarks["records that are not extended name a register"] = None
        if any(any(digest) for digest in event.digests.values()):
            self._remarks["records that are not extended have digests"] = None
        if not event.data.startswith(_LOCALITY):
            return
        locality = event.data[len(_LOCALITY) :]
        if self._locality is not None or len(locality) != 1 or locality[0] > _MAX_LOCALITY:
            raise _malformed(f"record {number} says a startup locality that cannot be, or says it again")
        self._locality = locality[0]

    def _padding(self) -> bool:
        """The area that firmware keeps for its log, behind the last record."""
        if self._at < self.size:
            return False
        self._remarks["filled up behind its last record"] = None
        return True

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, length: int) -> bytes:
        data = self._data[self._at : self._at + length]
        if len(data) != length:
            raise _malformed("cut off")
        self._at += length
        return data


def _banks(data: bytes) -> dict[int, tuple[str, int]]:
    """Name and size of the digests of each bank, by number: TCG_EfiSpecIdEvent."""
    count = int.from_bytes(data[24:28], "little")
    vendor = 28 + 4 * count
    if not 0 < count <= _MAX_BANKS or len(data) <= vendor or len(data) != vendor + 1 + data[vendor]:
        raise _malformed("its first record is none of this specification")
    listed = list(_pairs(data[28:vendor]))
    if len(dict(listed)) != count:
        raise _malformed("its first record lists an algorithm twice")
    for algorithm, size in listed:
        known = _ALGORITHMS.get(algorithm)
        if known is not None and _HASHES[known](usedforsecurity=False).digest_size != size:
            raise _malformed(f"its first record gives {known} {size} bytes")
    return {number: (_ALGORITHMS.get(number) or f"{number:#06x}", size) for number, size in listed}


def _pairs(data: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(data), 4):
        yield int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")


def _too_large(limit: str, got: int) -> TooLargeError:
    return TooLargeError("the event log is too large", expected=f"≤ {limit}", got=str(got))


def _malformed(why: str) -> EvidenceMalformedError:
    return EvidenceMalformedError(f"no event log: {why}", step="evidence.log")
