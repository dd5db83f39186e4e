"""The published vectors of made-up documents: every outcome is what the vector says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.nitro import verify as module
from casemate.attestation.verify import Expected, Roots, verify
from casemate.errors import EvidenceError
from casemate.testing.nitro.__main__ import main
from casemate.testing.nitro.cases import RIGHT, WRONG
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import parse_time
from tests.conformance.vectors import VECTORS, check_made

FOLDER = VECTORS / "nitro"
NAMES = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))


def test_there_is_a_vector_for_every_case() -> None:
    assert sorted(RIGHT + WRONG) == NAMES


def test_the_vectors_are_what_is_made(tmp_path: Path) -> None:
    check_made(main, tmp_path, "nitro")


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_what_the_vector_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vector: dict[str, Any] = json.loads((FOLDER / "cases" / f"{name}.json").read_text())
    assert vector["name"] == name
    root = Certificate.parse((FOLDER / vector["root"]).read_bytes(), "root")
    monkeypatch.setattr(module, "shipped_root", lambda: root)
    assert outcome(vector) == vector["outcome"]


def outcome(vector: dict[str, Any]) -> Any:
    expected = {name: bytes.fromhex(value) for name, value in vector["expected"].items()}
    try:
        verify(
            Evidence(format="nitro-document", report=(FOLDER / vector["document"]).read_bytes()),
            Endorsements(certificates=b"", crls=[]),
            roots=Roots(aws=True),
            at=parse_time(vector["at"]),
            expected=Expected(**expected),
        )
    except EvidenceError as error:
        return {"refused": {"code": error.code, "step": error.step}}
    return "verified"
