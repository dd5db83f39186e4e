"""What a policy asks of platform and runtime, judged over claims (spec/policy.md, "Decision order", steps 5 to 10).

A part of each release decision; and what a person can ask about evidence in a file, without a custodian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from casemate.claims import VerifiedClaims
from casemate.platforms import PLATFORMS, UP_TO_DATE
from casemate.policy._finding import Finding, judged
from casemate.policy.model import Asked, PolicyDocument, Service
from casemate.policy.releases import Released, Sent, Wanted, judge_release, open_all
from casemate.wire.policies import StepRecord

__all__ = [
    "PLATFORM_STEPS",
    "Asking",
    "Releases",
    "asked_findings",
    "is_vouched_for",
    "judge_platform",
    "platform_findings",
]

PLATFORM_STEPS: Final = (
    "platform.listed",
    "platform.values",
    "tcb.minima",
    "tcb.status",
    "endorsements.complete",
    "runtime.measurement",
)
"""Their labels, in their order."""

_NOTHING_ASKED: Final = Asked({}, {}, ())
_SUGGESTED: Final = timedelta(days=30)
"""How long a waiver is that a remedy proposes."""


class Asking(Protocol):
    """A service of a policy, or whoever else asks something of platforms."""

    @property
    def name(self) -> str: ...

    @property
    def platforms(self) -> Mapping[str, Asked]: ...


class Releases:
    """The statements of one request, opened only where the service goes by releases: a signature costs."""

    def __init__(self, document: PolicyDocument, service: Service, statements: Sequence[bytes], now: datetime) -> None:
        wanted = isinstance(service.workload, Released) or isinstance(service.runtime, Released)
        self._sent: tuple[Sent, ...] = open_all(statements) if wanted else ()
        self._principals = document.principals
        self._now = now

    def judge(self, released: Released, wanted: Wanted) -> Finding:
        return judge_release(released, wanted, self._sent, self._principals, self._now)


def platform_findings(service: Service, claims: VerifiedClaims, releases: Releases, now: datetime) -> list[Finding]:
    """One of each step."""
    return [*asked_findings(service, claims, now), _runtime(service, claims, releases)]


def asked_findings(service: Asking, claims: VerifiedClaims, now: datetime) -> list[Finding]:
    """One of each step but the last: what is asked of the platform, whatever runs on it."""
    return [
        _platform(service, claims),
        _values(service, claims),
        _tcb(service, claims),
        _status(service, claims, now),
        _complete(service, claims, now),
    ]


def judge_platform(
    document: PolicyDocument, service: Service, claims: VerifiedClaims, *, statements: Sequence[bytes], now: datetime
) -> tuple[tuple[StepRecord, ...], str | None]:
    """The steps, and what would mend the first that does not hold; None where all of them do."""
    findings = platform_findings(service, claims, Releases(document, service, statements, now), now)
    return judged(PLATFORM_STEPS, findings)


def is_vouched_for(claims: VerifiedClaims, service: Service | None) -> bool:
    """Whether the claims are of somebody at all. Where nothing but a value stands in for what they lack, the service
    must require that value, and theirs must be one that it lists; a waiver does not say whose they are.
    """
    known = PLATFORMS.get(claims.platform)
    stand_ins = [known.lacks.get(lack) for lack in claims.lacks] if known else []
    asked = service.platforms.get(claims.platform) if service else None
    for value in filter(None, stand_ins):
        admitted = asked.require.get(value, frozenset()) if asked else frozenset()
        if claims.values.get(value) not in admitted:
            return False
    return True


def _platform(service: Asking, claims: VerifiedClaims) -> Finding:
    """The platform is listed."""
    expected = " or ".join(service.platforms)
    remedy = f"run it there, or add {claims.platform} to services.{service.name}.platforms"
    return Finding(claims.platform in service.platforms, expected, claims.platform, remedy)


def _values(service: Asking, claims: VerifiedClaims) -> Finding:
    """What the policy requires of this platform is one of the values that it lists; what is absent is none."""
    for name, admitted in _asked(service, claims).require.items():
        got = claims.values.get(name)
        if got is None or got not in admitted:
            expected = f"{name} {' or '.join(sorted(admitted))}"
            remedy = f"run it where {name} is one of those, or add it to {_where(service, claims)}.require.{name}"
            return Finding(False, expected, f"{name} {got or 'none'}", remedy)
    return Finding(True, "what is required of the platform", "it is there", "")


def _asked(service: Asking, claims: VerifiedClaims) -> Asked:
    """Of a platform that is not listed nothing is asked: step 5 refuses it."""
    return service.platforms.get(claims.platform, _NOTHING_ASKED)


def _where(service: Asking, claims: VerifiedClaims) -> str:
    return f"services.{service.name}.platforms.{claims.platform}"


def _tcb(service: Asking, claims: VerifiedClaims) -> Finding:
    """The platform's firmware is new enough."""
    minima = _asked(service, claims).tcb
    reported = {name: claims.tcb.get(name) for name in minima}
    held = all(name in claims.tcb and claims.tcb[name] >= least for name, least in minima.items())
    expected = ", ".join(f"{name} ≥ {least}" for name, least in minima.items()) or "any"
    got = ", ".join(f"{name} {'none' if value is None else value}" for name, value in reported.items()) or "any"
    return Finding(held, expected, got, f"update the machine's firmware, or lower {_where(service, claims)}.tcb")


def _status(service: Asking, claims: VerifiedClaims, now: datetime) -> Finding:
    """The vendor finds nothing wrong with the TCB, or the policy waives what it finds."""
    status, open_ones = claims.tcb_status, frozenset(claims.advisories)
    if status is None and not (claims.platform in PLATFORMS and PLATFORMS[claims.platform].statuses):
        return Finding(True, "any: its vendor gives no verdict", "none", "")
    status = status or "none"
    got = f"{status} ({', '.join(sorted(open_ones))})" if open_ones else status
    if status == UP_TO_DATE:
        return Finding(True, UP_TO_DATE, got, "")
    for waiver in _asked(service, claims).waivers:
        if waiver.status == status and open_ones <= waiver.advisories and now < waiver.until:
            return Finding(True, f"{UP_TO_DATE}, or waived until {waiver.until:%Y-%m-%d}", got, "")
    listed = f", advisories: [{', '.join(sorted(open_ones))}]" if open_ones else ""
    waive = f'{{status: {status}{listed}, until: "{now + _SUGGESTED:%Y-%m-%d}"}}'
    remedy = f"update the machine, or waive it until a date with {_where(service, claims)}.waive: [{waive}]"
    return Finding(False, UP_TO_DATE, got, remedy)


def _complete(service: Asking, claims: VerifiedClaims, now: datetime) -> Finding:
    """What should have come with the evidence came, or the policy says what stands in for it."""
    asked, expected = _asked(service, claims), "complete evidence"
    stand_ins = PLATFORMS[claims.platform].lacks if claims.platform in PLATFORMS else {}
    for lack in sorted(claims.lacks):
        stand_in = stand_ins.get(lack)
        waived = any(waiver.lacks == lack and now < waiver.until for waiver in asked.waivers)
        if waived or (stand_in is not None and stand_in in asked.require):
            continue
        where = _where(service, claims)
        remedy = f'send it along, or waive it until a date with {where}.waive: [{{lacks: {lack}, until: "…"}}]'
        if stand_in is not None:
            remedy = f"send it along, or name {where}.require.{stand_in}"
        return Finding(False, expected, f"without {lack}", remedy)
    return Finding(True, expected, f"without {', '.join(sorted(claims.lacks))}" if claims.lacks else expected, "")


def _runtime(service: Service, claims: VerifiedClaims, releases: Releases) -> Finding:
    """What was launched is the runtime that the policy trusts, itself or by release."""
    measured, trusted = claims.runtime_measurement, service.runtime
    if isinstance(trusted, Released):
        return releases.judge(trusted, Wanted("runtime", claims.platform, measured))
    remedy = f"rebuild the runtime from the trusted release, or update services.{service.name}.runtime"
    return Finding(measured in trusted.on(claims.platform), trusted.sentence(claims.platform), measured, remedy)
