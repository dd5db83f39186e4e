"""The release decision (spec/policy.md, "Decision order"): may this workload have this service's secrets?

A pure function of what was verified, what was measured and what was signed. The fourteen steps are judged in order and
all recorded; the first that does not hold is the reason. Nothing is admitted unless all of them hold.

What the caller must have done: verified the evidence (only then there are `VerifiedClaims`), parsed the manifest
with `parse_manifest`, looked policy and version up under the genesis that the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from casemate.claims import VerifiedClaims
from casemate.platforms import PLATFORMS, SIMULATED_PLATFORMS, UP_TO_DATE
from casemate.policy._finding import Finding
from casemate.policy._fit import misfit
from casemate.policy.model import Asked, PolicyDocument, Service
from casemate.policy.releases import Released, Sent, Wanted, judge_release, open_all
from casemate.policy.submission import accept, expected_platforms
from casemate.wire.binding import sha256_text
from casemate.wire.manifest import Manifest, ParsedManifest
from casemate.wire.policies import PolicyGenesis, StepRecord

__all__ = ["STEPS", "Decision", "decide"]

STEPS: Final = (
    "manifest.digest",
    "manifest.custodian",
    "policy.known",
    "policy.simulation",
    "platform.listed",
    "platform.values",
    "runtime.measurement",
    "workload.manifest",
    "workload.image",
    "tcb.minima",
    "tcb.status",
    "endorsements.complete",
    "volumes.anchor",
    "configuration.fits",
)
"""Stable labels of the fourteen steps, in their order."""

_NOTHING_ASKED: Final = Asked({}, {}, ())
_SUGGESTED: Final = timedelta(days=30)
"""How long a waiver is that a remedy proposes."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`service` is there only when admitted, `failed` (the first step that does not hold) and `remedy` only if not.
    `relied_on` are release statements to judge by again when the lease is renewed.
    """

    admitted: bool
    steps: tuple[StepRecord, ...]
    service: Service | None
    failed: StepRecord | None
    remedy: str | None
    at: datetime
    relied_on: tuple[bytes, ...] = ()


def decide(
    claims: VerifiedClaims,
    manifest: ParsedManifest,
    *,
    custodian: str,
    anchor: str,
    genesis: PolicyGenesis | None,
    document: PolicyDocument | None,
    statements: Sequence[bytes],
    now: datetime,
) -> Decision:
    """The decision, with its reasons. `custodian` is this custodian's identity, `anchor` the kind of anchor of its
    own state; `statements` are release statements as they were sent; `now` is recorded, and ends statements.
    """
    findings = [_digest(claims, manifest), _custodian(manifest.manifest, custodian)]
    known = _known(manifest.manifest, custodian, genesis, document)
    findings.append(known)
    service = None
    # Without the service that the manifest names there is nothing to judge by: steps 4 to 14 are not reached.
    if known.held and genesis is not None and document is not None and manifest.manifest.policy is not None:
        service = document.services[manifest.manifest.policy.service]
        releases = _Releases(document, service, statements, now)
        findings += _against(service, genesis, claims, manifest, anchor, releases, now)
    steps = tuple(_records(findings))
    failed = next((index for index, step in enumerate(steps) if not step.held), None)
    if failed is None:
        relied_on = {finding.relied_on: None for finding in findings if finding.relied_on is not None}
        return Decision(True, steps, service, None, None, now, tuple(relied_on))
    return Decision(False, steps, None, steps[failed], findings[failed].remedy, now)


class _Releases:
    """The statements of one request, opened only where the service goes by releases: a signature costs."""

    def __init__(self, document: PolicyDocument, service: Service, statements: Sequence[bytes], now: datetime) -> None:
        wanted = isinstance(service.workload, Released) or isinstance(service.runtime, Released)
        self._sent: tuple[Sent, ...] = open_all(statements) if wanted else ()
        self._principals = document.principals
        self._now = now

    def judge(self, released: Released, wanted: Wanted) -> Finding:
        return judge_release(released, wanted, self._sent, self._principals, self._now)


def _against(
    service: Service,
    genesis: PolicyGenesis,
    claims: VerifiedClaims,
    manifest: ParsedManifest,
    anchor: str,
    releases: _Releases,
    now: datetime,
) -> list[Finding]:
    """Steps 4 to 14."""
    return [
        _simulation(genesis, claims),
        _platform(service, claims),
        _values(service, claims),
        _runtime(service, claims, releases),
        _workload(service, manifest, releases),
        _image(service, manifest.manifest),
        _tcb(service, claims),
        _status(service, claims, now),
        _complete(service, claims, now),
        _anchor(service, anchor),
        _fits(service, manifest.manifest),
    ]


def _records(findings: list[Finding]) -> Iterator[StepRecord]:
    for index, step in enumerate(STEPS):
        if index < len(findings):
            finding = findings[index]
            yield StepRecord(step=step, held=finding.held, expected=finding.expected, got=finding.got)
        else:
            yield StepRecord(step=step)


def _digest(claims: VerifiedClaims, manifest: ParsedManifest) -> Finding:
    """1. The manifest is the one that the platform bound to the domain at launch."""
    expected = f"sha256:{claims.manifest.hex()}"
    # Hashed anew: what is measured are the bytes, whatever the parsed object says of itself.
    got = sha256_text(manifest.data)
    held = expected == got == manifest.digest
    return Finding(held, expected, got, "launch with the manifest that is sent: HOST_DATA is fixed at launch")


def _custodian(manifest: Manifest, custodian: str) -> Finding:
    """2. The manifest names this custodian, so no other one can fill the domain with its own configuration."""
    got = manifest.custodian or "none"
    return Finding(got == custodian, custodian, got, "ask the custodian that the manifest names")


def _known(
    manifest: Manifest, custodian: str, genesis: PolicyGenesis | None, document: PolicyDocument | None
) -> Finding:
    """3. The policy exists under the genesis that the manifest names; its name and service match."""
    wanted = manifest.policy
    if wanted is None:  # a custodian's manifest
        return Finding(False, "the manifest of a workload", f"role {manifest.role}", "a custodian is released nothing")
    if genesis is None or document is None:
        remedy = "submit the policy to this custodian, or name the right one in the manifest"
        return Finding(False, f"a policy with genesis {wanted.genesis}", "none on this custodian", remedy)
    compared = (
        ("genesis", wanted.genesis, genesis.identity()),
        ("genesis", wanted.genesis, document.genesis),
        ("custodian", custodian, genesis.custodian),
        ("policy", wanted.name, genesis.policy),
        ("policy", wanted.name, document.policy),
    )
    for what, expected, got in compared:
        if expected != got:
            return Finding(False, f"{what} {expected}", f"{what} {got}", f"build the manifest for {what} {got}")
    if wanted.service not in document.services:
        listed = ", ".join(sorted(document.services)) or "(none)"
        remedy = f"add services.{wanted.service} to the policy, or build the manifest for a service of it"
        return Finding(False, f"one of the services {listed}", wanted.service, remedy)
    name = f"{wanted.name}#{wanted.service}"
    return Finding(True, name, name, "")


def _simulation(genesis: PolicyGenesis, claims: VerifiedClaims) -> Finding:
    """4. Simulated evidence protects nothing: it counts only where that was said from the start, and alone there."""
    held = (claims.platform in SIMULATED_PLATFORMS) == genesis.insecure_simulation
    remedy = "the flag never changes: use a policy of its own for the other kind of platform"
    return Finding(held, expected_platforms(genesis), claims.platform, remedy)


def _platform(service: Service, claims: VerifiedClaims) -> Finding:
    """5. The platform is listed."""
    expected = " or ".join(service.platforms)
    remedy = f"run it there, or add {claims.platform} to services.{service.name}.platforms"
    return Finding(claims.platform in service.platforms, expected, claims.platform, remedy)


def _values(service: Service, claims: VerifiedClaims) -> Finding:
    """6. What the policy requires of this platform is one of the values that it lists; what is absent is none."""
    for name, admitted in _asked(service, claims).require.items():
        got = claims.values.get(name)
        if got is None or got not in admitted:
            expected = f"{name} {' or '.join(sorted(admitted))}"
            remedy = f"run it where {name} is one of those, or add it to {_where(service, claims)}.require.{name}"
            return Finding(False, expected, f"{name} {got or 'none'}", remedy)
    return Finding(True, "what is required of the platform", "it is there", "")


def _asked(service: Service, claims: VerifiedClaims) -> Asked:
    """Of a platform that is not listed nothing is asked: step 5 refuses it."""
    return service.platforms.get(claims.platform, _NOTHING_ASKED)


def _where(service: Service, claims: VerifiedClaims) -> str:
    return f"services.{service.name}.platforms.{claims.platform}"


def _runtime(service: Service, claims: VerifiedClaims, releases: _Releases) -> Finding:
    """7. What was launched is the runtime that the policy trusts, itself or by release."""
    measured, trusted = claims.runtime_measurement, service.runtime
    if isinstance(trusted, Released):
        return releases.judge(trusted, Wanted("runtime", claims.platform, measured))
    remedy = f"rebuild the runtime from the trusted release, or update services.{service.name}.runtime"
    return Finding(measured in trusted.on(claims.platform), trusted.sentence(claims.platform), measured, remedy)


def _workload(service: Service, manifest: ParsedManifest, releases: _Releases) -> Finding:
    """8. What runs in it is the workload that the policy trusts, itself or by release."""
    trusted, binding = service.workload, manifest.manifest.policy
    if isinstance(trusted, Released):
        name = f"{binding.name}#{binding.service}" if binding else ""
        return releases.judge(trusted, Wanted("workload", name, manifest.digest))
    remedy = f"restore what changed in the workload, or update services.{service.name}.workload.manifest"
    return Finding(manifest.digest == trusted, trusted, manifest.digest, remedy)


def _image(service: Service, manifest: Manifest) -> Finding:
    """9. An encrypted image gets its key, and nothing else is given one."""
    encrypted = manifest.image is not None and manifest.image.protection == "encrypted"
    where = f"services.{service.name}"
    expected, got = ("a key", "no key") if encrypted else ("no key: no image of the manifest is encrypted", "a key")
    if encrypted == (service.image_key is not None):
        return Finding(True, expected, expected, "")
    remedy = f"write {where}.image: {{key: SECRET}}" if encrypted else f"leave {where}.image out"
    return Finding(False, expected, got, remedy)


def _tcb(service: Service, claims: VerifiedClaims) -> Finding:
    """10. The platform's firmware is new enough."""
    minima = _asked(service, claims).tcb
    reported = {name: claims.tcb.get(name) for name in minima}
    held = all(name in claims.tcb and claims.tcb[name] >= least for name, least in minima.items())
    expected = ", ".join(f"{name} ≥ {least}" for name, least in minima.items()) or "any"
    got = ", ".join(f"{name} {'none' if value is None else value}" for name, value in reported.items()) or "any"
    return Finding(held, expected, got, f"update the machine's firmware, or lower {_where(service, claims)}.tcb")


def _status(service: Service, claims: VerifiedClaims, now: datetime) -> Finding:
    """11. The vendor finds nothing wrong with the TCB, or the policy waives what it finds."""
    status, open_ones = claims.tcb_status, frozenset(claims.advisories)
    if status is None:
        return Finding(True, "any: its vendor gives no verdict", "none", "")
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


def _complete(service: Service, claims: VerifiedClaims, now: datetime) -> Finding:
    """12. What should have come with the evidence came, or the policy says what stands in for it."""
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


def _anchor(service: Service, anchor: str) -> Finding:
    """13. A strict volume hangs on an anchor that its policy accepts."""
    refused = sorted(m.volume.name for m in service.volumes.values() if not m.volume.accepts(anchor))
    if not refused:
        return Finding(True, "anchors that the volumes accept", anchor, "")
    return Finding(
        False, f"accept_anchor: [{anchor}] in volumes.{refused[0]}", "it is not there", accept(refused[0], anchor)
    )


def _fits(service: Service, manifest: Manifest) -> Finding:
    """14. What the policy fills in fits the manifest."""
    found = misfit(service, manifest)
    if found is None:
        return Finding(True, "fits the manifest", "fits the manifest", "")
    return Finding(False, found.expected, found.got, found.remedy)
