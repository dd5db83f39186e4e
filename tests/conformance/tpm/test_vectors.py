"""The published vectors of made-up TPMs: every outcome is what the vector says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.expectations import Expected
from casemate.attestation.platforms.tpm.verify import verify_quote
from casemate.errors import EvidenceError
from casemate.testing.tpm.__main__ import main
from casemate.testing.tpm.cases import RIGHT, WRONG
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import parse_time
from tests.conformance.vectors import VECTORS, check_made

FOLDER = VECTORS / "tpm"
NAMES = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))


def test_there_is_a_vector_for_every_case() -> None:
    assert sorted(RIGHT + WRONG) == NAMES


def test_the_vectors_are_what_is_made(tmp_path: Path) -> None:
    check_made(main, tmp_path, "tpm")


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_what_the_vector_says(name: str) -> None:
    vector: dict[str, Any] = json.loads((FOLDER / "cases" / f"{name}.json").read_text())
    assert vector["name"] == name
    assert outcome(vector) == vector["outcome"]


def outcome(vector: dict[str, Any]) -> dict[str, Any]:
    expected = vector["expected"]
    try:
        claims = verify_quote(
            Evidence(format="tpm-quote", report=read(vector["report"]), log=vector["log"] and read(vector["log"])),
            Endorsements(certificates=read(vector["certificates"]), crls=[read(name) for name in vector["lists"]]),
            tuple(read(name) for name in vector["roots"]),
            parse_time(vector["at"]),
            Expected(
                report_data=bytes.fromhex(expected["report_data"]),
                manifest=bytes.fromhex(expected["manifest"]),
                floors=expected["floors"],
                excused=frozenset(expected["excused"]),
            ),
        )
    except EvidenceError as error:
        return {"refused": {"code": error.code, "step": error.step}}
    return {
        "claims": {
            "platform": claims.platform,
            "measurement": claims.runtime_measurement.removeprefix("sha256:"),
            "report_data": claims.report_data.hex(),
            "lacks": sorted(claims.lacks),
            "seen": dict(claims.seen),
        }
    }


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
