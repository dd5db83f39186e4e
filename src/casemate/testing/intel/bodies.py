"""What is in a quote, field after field: reports of enclaves and trust domains, and what is certified of a machine."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509

from casemate.testing.amd.certificates import Extensions
from casemate.testing.amd.der import encode, sequence

__all__ = ["ENCLAVE", "QUOTING", "TD", "MachinePlan", "enclave_bytes", "pair", "td_bytes"]

_OID: Final = bytes.fromhex("2a864886f84d010d01")
_EXTENSION: Final = "1.2.840.113741.1.13.1"

ENCLAVE: Final[Mapping[str, Any]] = {
    "cpu_svn": bytes(range(16)),
    "misc_select": bytes(4),
    "extended": b"x" * 16,
    "attributes": bytes.fromhex("8500000000000000e700000000000000"),
    "mr_enclave": b"e" * 32,
    "mr_signer": b"s" * 32,
    "config_id": bytes(64),
    "product": 7,
    "svn": 4,
    "config_svn": 2,
    "family": b"f" * 16,
    "report_data": bytes(64),
}
"""With KSS. No field is zero that could be something else: a byte that nobody looks at is to be noticed."""

QUOTING: Final[Mapping[str, Any]] = {
    **ENCLAVE,
    "extended": bytes(16),
    "attributes": bytes.fromhex("1500000000000000e700000000000000"),
    "mr_enclave": b"q" * 32,
    "mr_signer": b"Q" * 32,
    "product": 2,
    "svn": 8,
    "config_svn": 0,
    "family": bytes(16),
}

TD: Final[Mapping[str, Any]] = {
    "tee_tcb_svn": bytes((5, 1)) + b"\x07" * 14,
    "mr_seam": b"S" * 48,
    "mr_signer_seam": bytes(48),
    "seam_attributes": bytes(8),
    "attributes": bytes.fromhex("0000001000000000"),
    "xfam": bytes.fromhex("e702060000000000"),
    "mr_td": b"T" * 48,
    "mr_config_id": bytes(48),
    "mr_owner": b"o" * 48,
    "mr_owner_config": b"c" * 48,
    "rtmr0": b"0" * 48,
    "rtmr1": b"1" * 48,
    "rtmr2": b"2" * 48,
    "rtmr3": b"3" * 48,
    "report_data": bytes(64),
    "current": bytes((6, 1)) + b"\x07" * 14,
    "service": bytes(48),
}


def enclave_bytes(fields: Mapping[str, Any]) -> bytes:
    """384 bytes. `reserved` names nothing of an enclave: bytes that are put where zeros belong, by offset."""
    one = fields
    made = b"".join(
        (
            one["cpu_svn"] + one["misc_select"] + bytes(12) + one["extended"] + one["attributes"],
            one["mr_enclave"] + bytes(32) + one["mr_signer"] + bytes(32) + one["config_id"],
            struct.pack("<HHH", one["product"], one["svn"], one["config_svn"]) + bytes(42),
            one["family"] + one["report_data"],
        )
    )
    return _patched(made, one.get("reserved"))


def td_bytes(fields: Mapping[str, Any], *, newer: bool) -> bytes:
    """584 bytes, or 648."""
    names = list(TD)
    return b"".join(fields[name] for name in (names if newer else names[:-2]))


@dataclass(frozen=True)
class MachinePlan:
    """What the PCK certificate says. `versions` are the components; `other` are parts by their last arc, in DER,
    instead of what is planned; of None they are left out. `tail` comes behind all.
    """

    ppid: bytes = b"p" * 16
    fmspc: bytes = bytes.fromhex("b0c06f000000")
    pce_id: bytes = bytes(2)
    versions: tuple[int, ...] = (7,) * 16
    pce_svn: int = 7
    other: Mapping[int, bytes | None] = field(default_factory=dict)
    tail: bytes = b""

    def extension(self) -> Extensions:
        return ((x509.UnrecognizedExtension(x509.ObjectIdentifier(_EXTENSION), self.der()), False),)

    def der(self) -> bytes:
        numbers = [*self.versions, self.pce_svn]
        versions = [pair(bytes((2, arc)), _integer(number)) for arc, number in enumerate(numbers, 1)]
        versions.append(pair(bytes((2, 18)), encode(4, bytes(self.versions))))
        parts: dict[int, bytes | None] = {
            1: encode(4, self.ppid),
            2: sequence(versions),
            3: encode(4, self.pce_id),
            4: encode(4, self.fmspc),
            5: encode(10, b"\x01"),
            6: encode(4, b"i" * 16),
            7: sequence([pair(bytes((7, arc)), encode(1, b"\xff")) for arc in (1, 2, 3)]),
            **self.other,
        }
        return sequence([pair(bytes((arc,)), value) for arc, value in parts.items() if value is not None]) + self.tail


def pair(arcs: bytes, value: bytes) -> bytes:
    """OID, by its last arcs, and value."""
    return sequence([encode(6, _OID + arcs), value])


def _integer(value: int) -> bytes:
    return encode(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _patched(data: bytes, patch: tuple[int, bytes] | None) -> bytes:
    if patch is None:
        return data
    offset, content = patch
    return data[:offset] + content + data[offset + len(content) :]
