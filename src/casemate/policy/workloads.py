"""Whether a policy admits a workload by what it is alone: the platform, the runtime and the launch manifest of a domain
that is met somewhere, not one that asks for a release (spec/policy.md, "Decision order", steps 4 to 11).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from casemate.claims import VerifiedClaims
from casemate.errors import DeniedError
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.policy._finding import Finding, judged
from casemate.policy.model import PolicyDocument, Service
from casemate.policy.platform_steps import PLATFORM_STEPS, Releases, platform_findings
from casemate.policy.releases import Released, Wanted
from casemate.wire.policies import StepRecord

__all__ = ["SIMULATION_STEP", "WORKLOAD_STEP", "check_admitted", "judge_workload", "workload_finding"]

SIMULATION_STEP: Final = "policy.simulation"
WORKLOAD_STEP: Final = "workload.manifest"
"""Labels of the first and the last step."""


def judge_workload(
    document: PolicyDocument,
    service: Service,
    claims: VerifiedClaims,
    manifest: str,
    *,
    statements: Sequence[bytes],
    now: datetime,
) -> tuple[tuple[StepRecord, ...], str | None]:
    """The steps, and what would mend the first that does not hold; None where all of them do. `manifest` is the digest
    that the claims are about, `sha256:…`.
    """
    releases = Releases(document, service, statements, now)
    name = f"{document.policy}#{service.name}"
    findings = [
        _simulation(document, claims),
        *platform_findings(service, claims, releases, now),
        workload_finding(service, name, manifest, releases),
    ]
    return judged((SIMULATION_STEP, *PLATFORM_STEPS, WORKLOAD_STEP), findings)


def _simulation(document: PolicyDocument, claims: VerifiedClaims) -> Finding:
    """Simulated evidence protects nothing: it counts only where the whole document is for it. Which kind a policy is
    for, its genesis says, which is not at hand; that no custodian takes a document of both, is known.
    """
    simulated = claims.platform in SIMULATED_PLATFORMS
    others = sorted(
        f"services.{service.name}: {platform}"
        for service in document.services.values()
        for platform in service.platforms
        if (platform in SIMULATED_PLATFORMS) != simulated
    )
    expected = "simulated platforms only, or real ones only"
    got = f"{claims.platform}, beside {others[0]}" if others else claims.platform
    remedy = "list platforms of one kind in all services: no custodian takes this policy, one for the other is another"
    return Finding(not others, expected, got, remedy)


def check_admitted(document: PolicyDocument, service: Service, steps: Sequence[StepRecord], remedy: str | None) -> None:
    """`DeniedError` for the first step that does not hold: what was judged is genuine, and not admitted."""
    failed = next((step for step in steps if not step.held), None)
    if failed is not None:
        raise DeniedError(
            f"genuine, but services.{service.name} of {document.policy} does not admit it",
            step=failed.step,
            expected=failed.expected,
            got=failed.got,
            remedy=remedy,
        )


def workload_finding(service: Service, name: str, manifest: str, releases: Releases) -> Finding:
    """What runs is the workload that the policy trusts, itself or by release. `name` is `policy#service`, `manifest` a
    digest.
    """
    trusted = service.workload
    if isinstance(trusted, Released):
        return releases.judge(trusted, Wanted("workload", name, manifest))
    remedy = f"restore what changed in the workload, or update services.{service.name}.workload.manifest"
    return Finding(manifest == trusted, trusted, manifest, remedy)
