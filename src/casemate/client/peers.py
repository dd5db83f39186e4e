"""What is asked of the platform behind a TLS certificate with evidence: as a policy does of a service's platforms.

That runtime and manifest are the wanted ones says nothing of a machine that its vendor warns of; of Intel's documents
several are in force at a time, and the peer chooses the mildest; and on a machine with a TPM, whoever is root of
something else extends the registers of runtime and manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.attestation.ra_tls import Completing, WantedPeer, as_it_came, verify_ra_tls
from casemate.attestation.verify import Roots
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceRejectedError
from casemate.platforms import PLATFORMS
from casemate.policy.model import Asked
from casemate.policy.platform_steps import PLATFORM_STEPS, asked_findings

__all__ = ["UP_TO_DATE_PLATFORMS", "check_platform", "excused_by", "verify_peer"]

UP_TO_DATE_PLATFORMS: Final[Mapping[str, Asked]] = MappingProxyType(
    {name: Asked({}, {}, ()) for name, known in PLATFORMS.items() if not known.unmet(frozenset())}
)
"""Those of which nothing has to be asked, with nothing waived. Of a TPM has to be asked whose it is, and what booted;
of TDX and SGX how new Intel's documents are: `{**UP_TO_DATE_PLATFORMS, "tdx": Asked({"evaluation": 17}, {}, ())}`.
"""


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
    completed: Completing = as_it_came,
) -> VerifiedClaims:
    """As `verify_ra_tls`, and the platform is one of `platforms`, with what is asked of it. Errors: EvidenceError,
    InputError.

    As in a policy, something has to be asked of some of them (`Platform.needs`): where it is not, they are refused.
    """
    excusing = replace(wanted, excused=wanted.excused | excused_by(platforms))
    claims = verify_ra_tls(data, roots=roots, at=at, wanted=excusing, completed=completed)
    check_platform(claims, platforms, at)
    return claims


def excused_by(platforms: Mapping[str, Asked]) -> frozenset[str]:
    """What evidence may lack as far as any of them goes: `check_platform` looks which one it was."""
    waived = {waiver.lacks for asked in platforms.values() for waiver in asked.waivers if waiver.lacks}
    named = {
        lack
        for platform, asked in platforms.items()
        for lack, stand_in in PLATFORMS[platform].lacks.items()
        if stand_in in asked.require
    }
    return frozenset(waived | named)


def check_platform(claims: VerifiedClaims, platforms: Mapping[str, Asked], at: datetime) -> None:
    """The platform is one of `platforms`, with what is asked of it. Errors: EvidenceRejectedError."""
    _check_says_something(claims.platform, platforms.get(claims.platform))
    for step, found in zip(PLATFORM_STEPS, asked_findings(_Peer(platforms), claims, at), strict=False):
        if not found.held:
            raise _refused(step, found.expected, found.got)


def _check_says_something(platform: str, asked: Asked | None) -> None:
    """As a policy is not taken that looks strict and says nothing: what has to be asked of this platform is, and what
    is asked means something.
    """
    if asked is None:
        return  # not listed: what is refused next
    known, said = PLATFORMS[platform], {*(f"tcb.{name}" for name in asked.tcb)}
    said |= {f"require.{name}" for name in asked.require}
    for need in known.unmet(said):
        ways = " or ".join(", ".join(sorted(way)) for way in need.ways)
        raise _refused(_step_of(*need.ways[0]), f"{ways} to be asked for", need.why, need.remedy)
    for part, other in known.hollow(said).items():
        raise _refused(_step_of(part), f"{other} beside {part}", "what anybody may sign", f"ask for {other} too")


def _step_of(*parts: str) -> str:
    return "tcb.minima" if all(part.startswith("tcb.") for part in parts) else "platform.values"


def _refused(
    step: str,
    expected: str,
    got: str,
    remedy: str = "ask it to be mended, or say what you accept of this platform (casemate.client.peers)",
) -> EvidenceRejectedError:
    return EvidenceRejectedError(
        "genuine, but not a platform that is wanted", step=f"ra_tls.{step}", expected=expected, got=got, remedy=remedy
    )
