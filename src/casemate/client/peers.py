"""What is asked of the platform behind a TLS certificate with evidence: as a policy does of a service's platforms.

That runtime and manifest are the wanted ones says nothing of a machine that its vendor warns of; and on one with a TPM,
whoever is root of something else extends the registers of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.attestation.ra_tls import WantedPeer, verify_ra_tls
from casemate.attestation.verify import Roots
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceRejectedError
from casemate.platforms import PLATFORMS
from casemate.policy.model import Asked
from casemate.policy.platform_steps import PLATFORM_STEPS, asked_findings

__all__ = ["UP_TO_DATE_PLATFORMS", "verify_peer"]


def _unnamed(platform: str, asked: Asked) -> str | None:
    """Why what is asked would admit anybody's machine; None where it would not."""
    said = {f"require.{name}" for name in asked.require}
    for need in PLATFORMS[platform].needs:
        by_value = [way for way in need.ways if all(part.startswith("require.") for part in way)]
        if by_value and not any(way <= said for way in by_value):
            return need.why
    return None


_NOTHING: Final = Asked({}, {}, ())

UP_TO_DATE_PLATFORMS: Final[Mapping[str, Asked]] = MappingProxyType(
    {name: _NOTHING for name in PLATFORMS if _unnamed(name, _NOTHING) is None}
)
"""Those that say something without values that are asked for, with nothing waived: a TPM is none of them."""


@dataclass(frozen=True, slots=True)
class _Peer:
    platforms: Mapping[str, Asked]
    name: str = "peer"


def verify_peer(
    data: bytes,
    *,
    roots: Roots,
    at: datetime,
    wanted: WantedPeer,
    platforms: Mapping[str, Asked] = UP_TO_DATE_PLATFORMS,
) -> VerifiedClaims:
    """As `verify_ra_tls`, and the platform is one of `platforms`, with what is asked of it. Errors: EvidenceError,
    InputError.
    """
    waived = {waiver.lacks for asked in platforms.values() for waiver in asked.waivers if waiver.lacks}
    named = {
        lack
        for platform, asked in platforms.items()
        for lack, stand_in in PLATFORMS[platform].lacks.items()
        if stand_in in asked.require
    }
    excusing = replace(wanted, excused=wanted.excused | waived | named)
    claims = verify_ra_tls(data, roots=roots, at=at, wanted=excusing)
    asked = platforms.get(claims.platform)
    if asked is not None and (why := _unnamed(claims.platform, asked)) is not None:
        raise _refused("platform.values", "what says whose machine it is, and what booted", why)
    for step, found in zip(PLATFORM_STEPS, asked_findings(_Peer(platforms), claims, at), strict=False):
        if not found.held:
            raise _refused(step, found.expected, found.got)
    return claims


def _refused(step: str, expected: str, got: str) -> EvidenceRejectedError:
    return EvidenceRejectedError(
        "genuine, but not a platform that is wanted",
        step=f"ra_tls.{step}",
        expected=expected,
        got=got,
        remedy="ask it to be mended, or say what you accept of this platform (casemate.client.peers)",
    )
