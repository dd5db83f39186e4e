"""Certificates by their evidence: what spec/vectors/ra-tls says of each. crates/ra-tls reads the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import WantedPeer
from casemate.client.peers import UP_TO_DATE_PLATFORMS, verify_peer
from casemate.errors import CasemateError
from casemate.policy._platforms import Waiver
from casemate.policy.model import Asked
from casemate.wire.fields import parse_time

FILE: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "spec" / "vectors" / "ra-tls" / "by-evidence.json").read_text()
)
CASES: Final = {case["name"]: case for case in FILE["cases"]}


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
            tuple(
                Waiver(None, frozenset(), waived["lacks"], parse_time(waived["until"]))
                for waived in asked.get("waive", ())
            ),
        )
        for name, asked in case["platforms"].items()
    }
