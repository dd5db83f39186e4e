"""The published vectors of made-up quotes: every outcome is what the vector says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.verify import Expected, Roots, verify
from casemate.errors import EvidenceError
from casemate.testing.intel.__main__ import main
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import parse_time
from tests.conformance.vectors import VECTORS, check_made
from tests.unit.attestation.intel import trusting

PLATFORMS = ("tdx", "sgx")
CASES = [
    pytest.param(platform, path.stem, id=f"{platform}-{path.stem}")
    for platform in PLATFORMS
    for path in sorted((VECTORS / platform / "cases").glob("*.json"))
]


def test_the_files_are_those_that_are_made(tmp_path: Path) -> None:
    check_made(main, tmp_path, *PLATFORMS)


@pytest.mark.parametrize(("platform", "name"), CASES)
def test_the_outcome_is_what_the_vector_says(platform: str, name: str) -> None:
    vector = json.loads((VECTORS / platform / "cases" / f"{name}.json").read_text())
    assert vector["name"] == name
    assert outcome(vector, platform) == vector["outcome"]


def outcome(vector: dict[str, Any], platform: str) -> dict[str, Any]:
    def read(name: str) -> bytes:
        return (VECTORS / platform / name).read_bytes()

    log = None if vector["log"] is None else read(vector["log"])
    expected = vector["expected"]
    try:
        with trusting(read(vector["root"])):
            claims = verify(
                Evidence.model_validate({"format": f"{platform}-quote", "report": read(vector["quote"]), "log": log}),
                Endorsements(
                    certificates=read(vector["certificates"]),
                    crls=[read(name) for name in vector["lists"]],
                    documents=[read(name) for name in vector["documents"]],
                ),
                roots=Roots(intel=True),
                at=parse_time(vector["at"]),
                expected=Expected(
                    report_data=bytes.fromhex(expected["report_data"]),
                    manifest=bytes.fromhex(expected["manifest"]),
                    floors=expected["floors"],
                ),
            )
    except EvidenceError as error:
        return {"refused": {"code": error.code, "step": error.step}}
    return {"claims": {"tcb_status": claims.tcb_status, "advisories": list(claims.advisories)}}
