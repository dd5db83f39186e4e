"""Each hostile mode makes evidence that the genuine verifier refuses, for the reason that the mode is named after."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EndorsementError, EvidenceError, EvidenceRejectedError
from casemate.simulator.hostile import Hostile, hostile_evidence
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.evidence import Endorsements, Evidence

MEASUREMENT, HOST_DATA, REPORT_DATA = bytes(range(48)), bytes(range(32)), bytes(range(64))

REASONS: dict[Hostile, tuple[type[EvidenceError], str]] = {
    Hostile.OLD_TCB: (EvidenceRejectedError, "evidence.tcb"),
    Hostile.REVOKED: (EndorsementError, "evidence.revoked"),
    Hostile.WRONG_NONCE: (EvidenceRejectedError, "evidence.report_data"),
    Hostile.RELAYED: (EvidenceRejectedError, "evidence.host_data"),
    Hostile.DEBUG: (EvidenceRejectedError, "evidence.debug"),
}


def _verified(platform: SimulatedPlatform, mode: Hostile | None, *, pinned: bool = True) -> VerifiedClaims:
    report, crls = hostile_evidence(platform, mode, MEASUREMENT, HOST_DATA, REPORT_DATA)
    return verify(
        Evidence(format="sev-snp-report", report=report),
        Endorsements(certificates=platform.certificate_table, crls=list(crls)),
        roots=Roots(amd=True, simulated=frozenset({platform.root_fingerprint} if pinned else ())),
        at=datetime.now(UTC),
        expected=Expected(report_data=REPORT_DATA, manifest=HOST_DATA),
    )


def test_an_honest_platform_is_believed_and_called_simulated(platform: SimulatedPlatform) -> None:
    claims = _verified(platform, None)
    assert (claims.platform, claims.manifest) == ("simulated", HOST_DATA)
    assert claims.runtime_measurement == f"sha384:{MEASUREMENT.hex()}"


@pytest.mark.parametrize("mode", Hostile)
def test_a_hostile_platform_is_refused_for_what_it_does(platform: SimulatedPlatform, mode: Hostile) -> None:
    error, step = REASONS[mode]
    with pytest.raises(error) as refused:
        _verified(platform, mode)
    assert refused.value.step == step


def test_a_platform_whose_root_nobody_pinned_is_not_taken_for_amds(platform: SimulatedPlatform) -> None:
    with pytest.raises(EndorsementError) as refused:
        _verified(platform, None, pinned=False)
    assert refused.value.step == "evidence.root"
