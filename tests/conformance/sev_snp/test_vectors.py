"""The published vectors of made-up evidence: every outcome is what the vector says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, VLEK, build_certificate_table
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceError
from casemate.testing.amd.cases import RIGHT, WRONG
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import parse_time
from tests.conformance.vectors import VECTORS

FOLDER = VECTORS / "sev-snp"
ROLES = {"ark": ARK, "ask": ASK, "vcek": VCEK, "vlek": VLEK}
NAMES = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))


def test_there_is_a_vector_for_every_case() -> None:
    assert sorted(RIGHT + WRONG) == NAMES


def test_every_file_belongs_to_a_case() -> None:
    used = {name for vector in map(load, NAMES) for name in files_of(vector)}
    kinds = ("reports", "certificates", "tables", "lists")
    assert {str(path.relative_to(FOLDER)) for kind in kinds for path in (FOLDER / kind).iterdir()} == used


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_what_the_vector_says(name: str) -> None:
    vector = load(name)
    assert outcome(vector) == vector["outcome"]


def load(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((FOLDER / "cases" / f"{name}.json").read_text())
    assert vector["name"] == name
    return vector


def files_of(vector: dict[str, Any]) -> list[str]:
    table = [vector["table"]] if "table" in vector else list(vector["certificates"].values())
    return [vector["report"], *table, *vector["lists"]]


def outcome(vector: dict[str, Any]) -> dict[str, Any]:
    try:
        claims = judge(vector)
    except EvidenceError as error:
        return {"refused": {"code": error.code, "step": error.step}}
    (number,) = claims.seen.values()
    return {
        "claims": {
            "platform": claims.platform,
            "product": claims.product,
            "measurement": claims.runtime_measurement.removeprefix("sha384:"),
            "chip_id": claims.hardware.hex(),
            "tcb": {name: version for name, version in claims.tcb.items() if name != "guest"},
            "vmpl": claims.details["vmpl"],
            "crl_number": number,
        }
    }


def judge(vector: dict[str, Any]) -> VerifiedClaims:
    expected = vector["expected"]
    return verify(
        Evidence(format="sev-snp-report", report=read(vector["report"])),
        Endorsements(certificates=table(vector), crls=[read(name) for name in vector["lists"]]),
        roots=Roots(amd=True, simulated=frozenset(vector["roots"])),
        at=parse_time(vector["at"]),
        expected=Expected(
            report_data=bytes.fromhex(expected["report_data"]),
            manifest=bytes.fromhex(expected["host_data"]),
            floors=expected["crl_floors"],
            max_vmpl=expected["max_vmpl"],
        ),
    )


def table(vector: dict[str, Any]) -> bytes:
    if "table" in vector:
        return read(vector["table"])
    return build_certificate_table({ROLES[role]: read(name) for role, name in vector["certificates"].items()})


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
