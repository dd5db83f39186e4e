"""What a token says of a platform in AR4SI's words (spec/ear-profile.md, "The vector"). Pure.

The numbers are those of draft-ietf-rats-ar4si, section 2.3.4, but for one: that draft has no word for a revocation list
that did not come, so that is a number of the range which it leaves to implementations.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from casemate.claims import VerifiedClaims
from casemate.platforms import PLATFORMS, SIMULATED_PLATFORMS, UP_TO_DATE
from casemate.policy.model import Asked
from casemate.wire.results import VECTOR

__all__ = ["trust_vector"]

_NO_CLAIM: Final = 0
_AFFIRMED: Final = 2
_KNOWN_WEAKNESS: Final = 32
"""Of hardware and configuration: genuine, with vulnerabilities that are known."""
_NOT_OPAQUE: Final = 32
"""Of memory: kept from other programs, not from whoever operates the machine."""
_REVOCATION_UNKNOWN: Final = -33
"""Of an identity: nobody knows whether it was revoked."""

_UNCLAIMED: Final = frozenset({"storage-opaque", "sourced-data"})
"""Evidence says nothing about them."""

_OF_THE_CONFIGURATION: Final = frozenset(
    {"configuration-needed", "configuration-and-sw-hardening-needed", "out-of-date-configuration-needed"}
)
_OF_THE_HARDWARE: Final = frozenset(
    {
        "sw-hardening-needed",
        "configuration-and-sw-hardening-needed",
        "out-of-date",
        "out-of-date-configuration-needed",
    }
)

_VISIBLE: Final = {
    "nitro": "memory is kept apart by AWS's hypervisor, not encrypted against it",
    "tpm": "a TPM says what booted; memory is not protected from the machine's operator",
}


def trust_vector(claims: VerifiedClaims, asked: Asked, now: datetime) -> tuple[dict[str, int], dict[str, str]]:
    """The vector of a workload that a policy admitted, and why it warns, by entry. `asked` is what that policy says of
    the platform.
    """
    vector = {name: _NO_CLAIM if name in _UNCLAIMED else _AFFIRMED for name in VECTOR}
    warnings: dict[str, str] = {}
    for entry, value, reason in _warned(claims, asked, now):
        vector[entry] = value
        warnings[entry] = f"{warnings[entry]}; {reason}" if entry in warnings else reason
    return vector, warnings


def _warned(claims: VerifiedClaims, asked: Asked, now: datetime) -> Iterator[tuple[str, int, str]]:
    if claims.platform in SIMULATED_PLATFORMS:
        yield "hardware", _KNOWN_WEAKNESS, f"{claims.platform}: made-up hardware that protects nothing"
        yield "runtime-opaque", _NOT_OPAQUE, f"{claims.platform}: whoever is root on the host reads the memory"
    if claims.platform in _VISIBLE:
        yield "runtime-opaque", _NOT_OPAQUE, _VISIBLE[claims.platform]
    if claims.tcb_status not in (None, UP_TO_DATE):
        reason = _status_reason(claims, asked, now)
        if claims.tcb_status in _OF_THE_CONFIGURATION:
            yield "configuration", _KNOWN_WEAKNESS, reason
        # What is in neither list is worth a warning at the least.
        if claims.tcb_status in _OF_THE_HARDWARE or claims.tcb_status not in _OF_THE_CONFIGURATION:
            yield "hardware", _KNOWN_WEAKNESS, reason
    stand_ins = PLATFORMS[claims.platform].lacks if claims.platform in PLATFORMS else {}
    for lack in sorted(claims.lacks):
        # A value that the policy names stands in for some of what is missing: then the identity is known all the same.
        if stand_ins.get(lack) not in asked.require:
            yield "instance-identity", _REVOCATION_UNKNOWN, f"without {lack}{_until(asked, lack=lack, now=now)}"


def _status_reason(claims: VerifiedClaims, asked: Asked, now: datetime) -> str:
    advisories = f" ({', '.join(sorted(claims.advisories))})" if claims.advisories else ""
    return f"{claims.tcb_status}{advisories}{_until(asked, status=claims.tcb_status, now=now)}"


def _until(asked: Asked, *, now: datetime, status: str | None = None, lack: str | None = None) -> str:
    ends = [
        waiver.until
        for waiver in asked.waivers
        if now < waiver.until and (waiver.status, waiver.lacks) == (status, lack)
    ]
    return f", waived until {max(ends):%Y-%m-%d}" if ends else ""
