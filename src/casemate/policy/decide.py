"""The release decision (spec/policy.md, "Decision order"): may this workload have this service's secrets?

A pure function of what was verified, what was measured and what was signed. The fourteen steps are judged in order and
all recorded; the first that does not hold is the reason. Nothing is admitted unless all of them hold.

What the caller must have done: verified the evidence (only then there are `VerifiedClaims`), parsed the manifest
with `parse_manifest`, looked policy and version up under the genesis that the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casemate.claims import VerifiedClaims
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.policy._finding import Finding
from casemate.policy._fit import misfit
from casemate.policy.model import PolicyDocument, Service
from casemate.policy.platform_steps import PLATFORM_STEPS, Releases, platform_findings
from casemate.policy.submission import accept, expected_platforms
from casemate.policy.workloads import SIMULATION_STEP, WORKLOAD_STEP, workload_finding
from casemate.wire.binding import sha256_text
from casemate.wire.manifest import Manifest, ParsedManifest
from casemate.wire.policies import PolicyGenesis, StepRecord

__all__ = ["STEPS", "Decision", "decide"]

STEPS: Final = (
    "manifest.digest",
    "manifest.custodian",
    "policy.known",
    SIMULATION_STEP,
    *PLATFORM_STEPS,
    WORKLOAD_STEP,
    "workload.image",
    "volumes.anchor",
    "configuration.fits",
)
"""Stable labels of the fourteen steps, in their order."""


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
        releases = Releases(document, service, statements, now)
        findings += _against(service, genesis, claims, manifest, anchor, releases, now)
    steps = tuple(_records(findings))
    failed = next((index for index, step in enumerate(steps) if not step.held), None)
    if failed is None:
        relied_on = {finding.relied_on: None for finding in findings if finding.relied_on is not None}
        return Decision(True, steps, service, None, None, now, tuple(relied_on))
    return Decision(False, steps, None, steps[failed], findings[failed].remedy, now)


def _against(
    service: Service,
    genesis: PolicyGenesis,
    claims: VerifiedClaims,
    manifest: ParsedManifest,
    anchor: str,
    releases: Releases,
    now: datetime,
) -> list[Finding]:
    """Steps 4 to 14."""
    return [
        _simulation(genesis, claims),
        *platform_findings(service, claims, releases, now),
        _workload(service, manifest, releases),
        _image(service, manifest.manifest),
        _anchor(service, anchor),
        _fits(service, manifest.manifest),
    ]


def _records(findings: list[Finding]) -> Iterator[StepRecord]:
    for index, step in enumerate(STEPS):
        yield findings[index].recorded(step) if index < len(findings) else StepRecord(step=step)


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


def _workload(service: Service, manifest: ParsedManifest, releases: Releases) -> Finding:
    """11. What runs in it is the workload that the policy trusts, itself or by release."""
    binding = manifest.manifest.policy
    name = f"{binding.name}#{binding.service}" if binding else ""
    return workload_finding(service, name, manifest.digest, releases)


def _image(service: Service, manifest: Manifest) -> Finding:
    """12. An encrypted image gets its key, and nothing else is given one."""
    encrypted = manifest.image is not None and manifest.image.protection == "encrypted"
    where = f"services.{service.name}"
    expected, got = ("a key", "no key") if encrypted else ("no key: no image of the manifest is encrypted", "a key")
    if encrypted == (service.image_key is not None):
        return Finding(True, expected, expected, "")
    remedy = f"write {where}.image: {{key: SECRET}}" if encrypted else f"leave {where}.image out"
    return Finding(False, expected, got, remedy)


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
