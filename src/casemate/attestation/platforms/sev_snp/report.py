"""Attestation reports: bytes ⇄ structs (SEV-SNP firmware ABI 56860, revision 1.58, table ATTESTATION_REPORT).

All numbers are little-endian. Versions 2, 3 and 5 are read; each reserved field must be zero: what a later version puts
there is not silently ignored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from casemate.errors import EvidenceMalformedError

__all__ = ["REPORT_BYTES", "SIGNED_BYTES", "VERSIONS", "GuestPolicy", "Report"]

REPORT_BYTES: Final = 1184
SIGNED_BYTES: Final = 0x2A0
VERSIONS: Final = (2, 3, 5)
_ECDSA_P384_SHA384: Final = 1
_COMPONENT: Final = 72  # r and s, little-endian, zero-extended
_CURVE_BYTES: Final = 48
_MAX_VMPL: Final = 3

_POLICY_KNOWN: Final = (1 << 26) - 1
_PLATFORM_KNOWN: Final = 0xFF
"""Bit 6 is reserved in revision 1.58, but firmware of Turin sets it: writes of the IOMMU are safe."""
_FLAGS_KNOWN: Final = 0b1_1111
_SIGNED_BY: Final = {0: "VCEK", 1: "VLEK"}


@dataclass(frozen=True, slots=True)
class GuestPolicy:
    """What the guest was launched with (ABI table GUEST_POLICY)."""

    raw: int

    @property
    def debug(self) -> bool:
        return bool(self.raw >> 19 & 1)

    @property
    def migration_agent(self) -> bool:
        return bool(self.raw >> 18 & 1)

    @property
    def smt(self) -> bool:
        return bool(self.raw >> 16 & 1)

    @property
    def well_formed(self) -> bool:
        """Bit 17 is always one, bits 26 and up are zero."""
        return bool(self.raw >> 17 & 1) and self.raw & ~_POLICY_KNOWN == 0


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `signature` is (r, s); `cpuid` is family, model, stepping, from version 3 on.

    Each `…_tcb` is a TCB_VERSION of 8 bytes; which byte means what depends on the product line (products.py).
    """

    version: int
    guest_svn: int
    policy: GuestPolicy
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: bytes
    platform_info: int
    flags: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpuid: tuple[int, int, int] | None
    chip_id: bytes
    committed_tcb: bytes
    current_version: bytes
    committed_version: bytes
    launch_tcb: bytes
    launch_mitigations: int
    current_mitigations: int
    signature: tuple[int, int]

    @property
    def signed_with_vlek(self) -> bool:
        return _SIGNED_BY[self.flags >> 2 & 0b111] == "VLEK"

    def tcb_versions(self) -> dict[str, bytes]:
        return {
            "reported": self.reported_tcb,
            "current": self.current_tcb,
            "committed": self.committed_tcb,
            "launch": self.launch_tcb,
        }

    @classmethod
    def parse(cls, data: bytes) -> Report:
        """`EvidenceMalformedError` names the field."""
        if len(data) != REPORT_BYTES:
            raise _malformed("size", f"{REPORT_BYTES} bytes", str(len(data)))
        version = _u32(data, 0)
        if version not in VERSIONS:
            raise _malformed("version", "2, 3 or 5", str(version))
        if _u32(data, 0x34) != _ECDSA_P384_SHA384:
            raise _malformed("signature algorithm", "1 (ECDSA P-384 with SHA-384)", str(_u32(data, 0x34)))
        _check_reserved(data, version)
        report = cls(
            version=version,
            guest_svn=_u32(data, 4),
            policy=GuestPolicy(_u64(data, 8)),
            family_id=data[0x10:0x20],
            image_id=data[0x20:0x30],
            vmpl=_u32(data, 0x30),
            current_tcb=data[0x38:0x40],
            platform_info=_u64(data, 0x40),
            flags=_u32(data, 0x48),
            report_data=data[0x50:0x90],
            measurement=data[0x90:0xC0],
            host_data=data[0xC0:0xE0],
            id_key_digest=data[0xE0:0x110],
            author_key_digest=data[0x110:0x140],
            report_id=data[0x140:0x160],
            report_id_ma=data[0x160:0x180],
            reported_tcb=data[0x180:0x188],
            cpuid=(data[0x188], data[0x189], data[0x18A]) if version >= 3 else None,
            chip_id=data[0x1A0:0x1E0],
            committed_tcb=data[0x1E0:0x1E8],
            current_version=data[0x1E8:0x1EB],
            committed_version=data[0x1EC:0x1EF],
            launch_tcb=data[0x1F0:0x1F8],
            launch_mitigations=_u64(data, 0x1F8),
            current_mitigations=_u64(data, 0x200),
            signature=(_component(data, 0x2A0), _component(data, 0x2E8)),
        )
        _check_fields(report)
        return report

    def to_bytes(self) -> bytes:
        """Exact inverse of `parse`."""
        r, s = (number.to_bytes(_COMPONENT, "little") for number in self.signature)
        return (self.signed_bytes() + r + s).ljust(REPORT_BYTES, b"\0")

    def signed_bytes(self) -> bytes:
        """Bytes 0 to 0x29F: what the chip signs."""
        cpuid = bytes(self.cpuid) if self.cpuid else b""
        parts = (
            struct.pack("<IIQ", self.version, self.guest_svn, self.policy.raw),
            self.family_id + self.image_id,
            struct.pack("<II", self.vmpl, _ECDSA_P384_SHA384),
            self.current_tcb,
            struct.pack("<QII", self.platform_info, self.flags, 0),
            self.report_data + self.measurement + self.host_data + self.id_key_digest + self.author_key_digest,
            self.report_id + self.report_id_ma + self.reported_tcb,
            cpuid.ljust(24, b"\0"),
            self.chip_id + self.committed_tcb,
            self.current_version + b"\0" + self.committed_version + b"\0",
            self.launch_tcb,
            struct.pack("<QQ", self.launch_mitigations, self.current_mitigations),
        )
        return b"".join(parts).ljust(SIGNED_BYTES, b"\0")


def _check_reserved(data: bytes, version: int) -> None:
    cpuid_end = 0x18B if version >= 3 else 0x188
    mitigations_end = 0x208 if version >= 5 else 0x1F8
    reserved = (
        (0x4C, 0x50),
        (cpuid_end, 0x1A0),
        (0x1EB, 0x1EC),
        (0x1EF, 0x1F0),
        (mitigations_end, 0x2A0),
        (0x2A0 + 2 * _COMPONENT, REPORT_BYTES),
    )
    for start, end in reserved:
        if any(data[start:end]):
            raise _malformed(f"reserved bytes {start:#x} to {end:#x}", "zero", "something else")


def _check_fields(report: Report) -> None:
    if not report.policy.well_formed:
        raise _malformed("guest policy", "bit 17 set, bits 26 and up clear", hex(report.policy.raw))
    if report.platform_info & ~_PLATFORM_KNOWN:
        raise _malformed("platform info", "no reserved bit", hex(report.platform_info))
    if report.flags & ~_FLAGS_KNOWN or report.flags >> 2 & 0b111 not in _SIGNED_BY:
        raise _malformed("key flags", "signed by VCEK or VLEK", hex(report.flags))
    if report.vmpl > _MAX_VMPL:  # the host may ask too, as 0xFFFFFFFF
        raise _malformed("VMPL", f"0 to {_MAX_VMPL}", str(report.vmpl))


def _component(data: bytes, offset: int) -> int:
    raw = data[offset : offset + _COMPONENT]
    if any(raw[_CURVE_BYTES:]):
        raise _malformed("signature", f"zero beyond {_CURVE_BYTES} bytes", "something else")
    return int.from_bytes(raw, "little")


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _u64(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")


def _malformed(field: str, expected: str, got: str) -> EvidenceMalformedError:
    return EvidenceMalformedError(
        f"not an SEV-SNP report that is understood: {field}", step="evidence.report", expected=expected, got=got
    )
