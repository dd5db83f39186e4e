"""Certificates by their evidence, and what is asked of the platform behind them: what the vectors say of each.
crates/ra-tls reads the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import WantedPeer
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.client.peers import UP_TO_DATE_PLATFORMS, check_platform, excused_by, verify_peer
from casemate.errors import CasemateError, EvidenceRejectedError
from casemate.policy._platforms import Waiver
from casemate.policy.model import Asked
from casemate.testing.ra_tls_vectors import made
from casemate.wire.fields import parse_time

VECTORS: Final = Path(__file__).parents[3] / "spec" / "vectors"


def vectors(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return read


FILE: Final = vectors("ra-tls/by-evidence")
CASES: Final = {case["name"]: case for case in FILE["cases"]}
PEERS: Final = vectors("peers")
ASKED: Final = {case["name"]: case for case in PEERS["cases"]}


def test_the_vectors_are_those_that_are_made() -> None:
    assert made(VECTORS / "ra-tls" / "platform") == FILE


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_what_the_vector_says(name: str) -> None:
    assert outcome(CASES[name]) == CASES[name]["outcome"]


def outcome(case: dict[str, Any]) -> dict[str, str | None]:
    wanted = case["wanted"]
    try:
        claims = verify_peer(
            bytes.fromhex(case["certificate"]),
            roots=Roots(amd=True, **{name: frozenset(pinned) for name, pinned in case["roots"].items()}),
            at=parse_time(case["at"]),
            wanted=WantedPeer(
                wanted["custodian"],
                frozenset(wanted["runtimes"]),
                frozenset(wanted["manifests"]),
                floors=wanted["floors"],
            ),
            platforms=platforms(case),
        )
    except CasemateError as error:
        return {"step": error.step}
    return {"platform": claims.platform}


def platforms(case: dict[str, Any]) -> Any:
    if "platforms" not in case:
        return UP_TO_DATE_PLATFORMS
    return {
        name: Asked(
            asked.get("tcb", {}),
            {value: frozenset(admitted) for value, admitted in asked.get("require", {}).items()},
            tuple(waiver(waived) for waived in asked.get("waive", ())),
        )
        for name, asked in case["platforms"].items()
    }


def waiver(waived: dict[str, Any]) -> Waiver:
    advisories = frozenset(waived.get("advisories", ()))
    return Waiver(waived.get("status"), advisories, waived.get("lacks"), parse_time(waived["until"]))


@pytest.mark.parametrize("name", ASKED)
def test_the_platform_is_judged_as_the_vector_says(name: str) -> None:
    case = ASKED[name]
    assert excused_by(platforms(case)) == set(case["excused"])
    step = None
    try:
        check_platform(claims(case["claims"]), platforms(case), parse_time(PEERS["at"]))
    except EvidenceRejectedError as error:
        step = error.step
    assert step == case["step"]


def claims(said: dict[str, Any]) -> VerifiedClaims:
    return VerifiedClaims(
        platform=said["platform"],
        product=said["platform"],
        runtime_measurement="sha384:" + "0" * 96,
        manifest=bytes(32),
        report_data=bytes(64),
        hardware=b"",
        tcb=said.get("tcb", {}),
        values=said.get("values", {}),
        tcb_status=said.get("tcb_status"),
        advisories=tuple(said.get("advisories", ())),
        lacks=frozenset(said.get("lacks", ())),
        verified_at=parse_time(PEERS["at"]),
        token=VERIFIER_TOKEN,
    )
