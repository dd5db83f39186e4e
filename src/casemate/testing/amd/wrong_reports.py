"""Reports that are wrong in one way. Where nothing else is said, the chip really signed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from casemate.attestation.platforms.sev_snp.products import GENOA, MILAN, TURIN
from casemate.attestation.platforms.sev_snp.report import GuestPolicy
from casemate.errors import EvidenceMalformedError, EvidenceRejectedError, SignatureError
from casemate.testing.amd.keys import report_key
from casemate.testing.amd.plan import TCB, Plan, right
from casemate.testing.amd.wrong import Change, Wrong, fields, patches

__all__ = ["WRONG_REPORTS"]

_ONE: Final = b"\x01"


def _unread(change: Change, version: int = 5) -> Wrong:
    return Wrong(change, EvidenceMalformedError, "evidence.report", lambda: right(version=version))


def _rejected(step: str, change: Change) -> Wrong:
    return Wrong(change, EvidenceRejectedError, f"evidence.{step}")


def _afterwards(*changed: tuple[int, bytes]) -> Change:
    return lambda plan: replace(plan, report=replace(plan.report, afterwards=changed))


def _policy(bits: int) -> Change:
    return fields(policy=GuestPolicy(0x3_0137 ^ bits))


def _unsigned(change: Change) -> Wrong:
    return Wrong(change, SignatureError, "evidence.signature")


def _tcb(name: str, index: int) -> Wrong:
    version = bytearray(MILAN.pack(TCB))
    version[index] = 1
    return _rejected("tcb", fields(**{f"{name}_tcb": bytes(version)}))


def _another_chip(plan: Plan) -> Plan:
    return fields(chip_id=b"\xee" * 64)(plan)


_FORM: Final = {
    "report-is-empty": _unread(lambda plan: replace(plan, encoded=lambda report: report[:0])),
    "report-is-short": _unread(lambda plan: replace(plan, encoded=lambda report: report[:-1])),
    "report-is-long": _unread(lambda plan: replace(plan, encoded=lambda report: report + b"\0")),
    "report-version-0": _unread(fields(version=0)),
    "report-version-1": _unread(fields(version=1)),
    "report-version-4": _unread(fields(version=4)),
    "report-version-6": _unread(fields(version=6)),
    "report-signature-algorithm-0": _unread(patches((0x34, b"\0"))),
    "report-signature-algorithm-2": _unread(patches((0x34, b"\x02"))),
    "report-reserved-after-flags": _unread(patches((0x4F, _ONE))),
    "report-reserved-after-cpuid": _unread(patches((0x18B, _ONE))),
    "report-reserved-before-chip-id": _unread(patches((0x19F, _ONE))),
    "report-version-2-with-cpuid": _unread(patches((0x188, _ONE)), version=2),
    "report-reserved-after-current-version": _unread(patches((0x1EB, _ONE))),
    "report-reserved-after-committed-version": _unread(patches((0x1EF, _ONE))),
    "report-version-3-with-mitigations": _unread(patches((0x1F8, _ONE)), version=3),
    "report-reserved-after-mitigations": _unread(patches((0x208, _ONE))),
    "report-reserved-before-signature": _unread(patches((0x29F, _ONE))),
    "report-signature-r-too-wide": _unread(_afterwards((0x2A0 + 48, _ONE))),
    "report-signature-s-too-wide": _unread(_afterwards((0x2E8 + 71, _ONE))),
    "report-reserved-after-signature": _unread(_afterwards((0x330, _ONE))),
    "report-reserved-at-its-end": _unread(_afterwards((1183, _ONE))),
    "guest-policy-without-bit-17": _unread(_policy(1 << 17)),
    "guest-policy-with-bit-26": _unread(_policy(1 << 26)),
    "guest-policy-with-bit-63": _unread(_policy(1 << 63)),
    "platform-info-with-bit-8": _unread(fields(platform_info=1 << 8)),
    "platform-info-with-bit-63": _unread(fields(platform_info=1 << 63)),
    "key-flags-with-bit-5": _unread(fields(flags=1 << 5)),
    "key-flags-reserved-key": _unread(fields(flags=2 << 2)),
    "key-flags-unsigned": _unread(fields(flags=7 << 2)),
    "vmpl-4": _unread(fields(vmpl=4)),
    "vmpl-of-the-host": _unread(fields(vmpl=0xFFFF_FFFF)),
}

_SIGNATURE: Final = {
    "signature-by-another-key": _unsigned(
        lambda plan: replace(plan, report=replace(plan.report, signer=report_key("other")))
    ),
    "signature-of-zeros": _unsigned(_afterwards((0x2A0, bytes(144)))),
    "signature-of-ones": _unsigned(_afterwards((0x2A0, b"\xff" * 48), (0x2E8, b"\xff" * 48))),
    "measurement-changed-afterwards": _unsigned(_afterwards((0x90, b"x"))),
    "host-data-changed-afterwards": _unsigned(_afterwards((0xC0, b"x"))),
    "report-data-changed-afterwards": _unsigned(_afterwards((0x50, b"x"))),
    "debug-removed-afterwards": _unsigned(lambda plan: _afterwards((0x0A, b"\x03"))(_policy(1 << 19)(plan))),
}

_CERTIFIED: Final = {
    "cpuid-of-another-line": _rejected("product", fields(cpuid=(0x1A, 0x02, 0x01))),
    "cpuid-of-a-line-before-turin": replace(
        _rejected("product", fields(cpuid=(0x19, 0x11, 0x01))), base=lambda: right(TURIN)
    ),
    "reported-tcb-older-than-certified": _rejected("tcb", fields(reported_tcb=MILAN.pack({**TCB, "snp": 23}))),
    "reported-tcb-newer-than-certified": _rejected("tcb", fields(reported_tcb=MILAN.pack({**TCB, "microcode": 220}))),
    "reported-tcb-bootloader": _rejected("tcb", fields(reported_tcb=MILAN.pack({**TCB, "bootloader": 5}))),
    "reported-tcb-tee": _rejected("tcb", fields(reported_tcb=MILAN.pack({**TCB, "tee": 3}))),
    "reported-tcb-fmc": replace(
        _rejected("tcb", fields(reported_tcb=TURIN.pack({**TCB, "fmc": 2}))), base=lambda: right(TURIN)
    ),
    "reported-tcb-in-turin-layout": _rejected("tcb", fields(reported_tcb=TURIN.pack(TCB))),
    "reserved-bits-in-reported-tcb": _tcb("reported", 2),
    "reserved-bits-in-current-tcb": _tcb("current", 3),
    "reserved-bits-in-committed-tcb": _tcb("committed", 4),
    "reserved-bits-in-launch-tcb": _tcb("launch", 5),
    "another-chip": _rejected("chip", _another_chip),
    "masked-chip-id": _rejected("chip", fields(chip_id=bytes(64))),
    "another-chip-of-genoa": replace(_rejected("chip", _another_chip), base=lambda: right(GENOA)),
    "turin-chip-id-with-a-tail": replace(
        _rejected("chip", fields(chip_id=bytes(range(1, 9)) + b"\x01".rjust(56, b"\0"))), base=lambda: right(TURIN)
    ),
}

_GUEST: Final = {
    "debug": _rejected("debug", _policy(1 << 19)),
    "migration-agent": _rejected("migration", _policy(1 << 18)),
    "vmpl-1": _rejected("vmpl", fields(vmpl=1)),
    "vmpl-3": _rejected("vmpl", fields(vmpl=3)),
    "another-manifest": _rejected("host_data", fields(host_data=bytes(32))),
    "another-nonce": _rejected("report_data", fields(report_data=bytes(64))),
}

WRONG_REPORTS: Final[Mapping[str, Wrong]] = {**_FORM, **_SIGNATURE, **_CERTIFIED, **_GUEST}
