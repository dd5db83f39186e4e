"""Ways for the platform to be hostile, for tests and the demo (spec/evidence.md)."""

from __future__ import annotations

import secrets
from enum import StrEnum

from casemate.simulator.pki import SimulatedPlatform

__all__ = ["Hostile", "hostile_evidence"]


class Hostile(StrEnum):
    OLD_TCB = "old-tcb"
    REVOKED = "revoked"
    WRONG_NONCE = "wrong-nonce"
    RELAYED = "relayed"
    DEBUG = "debug"


def hostile_evidence(
    platform: SimulatedPlatform, mode: Hostile | None, measurement: bytes, host_data: bytes, report_data: bytes
) -> tuple[bytes, tuple[bytes, ...]]:
    """Report and revocation lists, honest where `mode` is None."""
    if mode is Hostile.WRONG_NONCE:
        report_data = secrets.token_bytes(64)
    if mode is Hostile.RELAYED:
        measurement, host_data = secrets.token_bytes(48), secrets.token_bytes(32)
    report = platform.report(
        measurement, host_data, report_data, debug=mode is Hostile.DEBUG, old_tcb=mode is Hostile.OLD_TCB
    )
    return report, platform.revoked_crls if mode is Hostile.REVOKED else platform.crls
