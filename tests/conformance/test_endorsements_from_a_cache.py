"""What a cache adds to evidence: what spec/vectors/endorsements says of it. crates/endorsements and crates/ra-tls read
the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import WantedPeer
from casemate.client.peers import verify_peer
from casemate.endorsements.cache import Cache
from casemate.errors import CasemateError
from casemate.testing.endorsements_vectors import main
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import parse_time
from tests.unit.attestation.amd import taken_for_amds

FOLDER: Final = Path(__file__).parents[2] / "spec" / "vectors" / "endorsements"
ADDED: Final[dict[str, Any]] = json.loads((FOLDER / "completed.json").read_text())
PARTS: Final = [bytes.fromhex(part) for part in ADDED["parts"]]
CASES: Final = {case["name"]: case for case in ADDED["cases"]}
JUDGED: Final[dict[str, Any]] = json.loads((FOLDER / "certificates.json").read_text())
CERTIFICATES: Final = {case["name"]: case for case in JUDGED["cases"]}
ROOT: Final = bytes.fromhex(JUDGED["root"])


def cached(folder: Path, entries: Mapping[str, bytes]) -> Cache:
    for name, data in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Cache(folder)


def endorsements(said: dict[str, Any]) -> Endorsements:
    return Endorsements(
        certificates=PARTS[said["certificates"]],
        crls=[PARTS[part] for part in said["crls"]],
        documents=[PARTS[part] for part in said["documents"]],
    )


@pytest.mark.parametrize("name", CASES)
def test_a_cache_adds_what_the_vector_says(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    evidence = Evidence(format=case["evidence"]["format"], report=PARTS[case["evidence"]["report"]])
    cache = cached(tmp_path, {name: PARTS[part] for name, part in case["cache"].items()})
    assert cache.completed(evidence, endorsements(case["came"])) == endorsements(case["completed"])


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_is_judged_by_what_a_cache_has_as_the_vector_says(name: str, tmp_path: Path) -> None:
    case = CERTIFICATES[name]
    cache = cached(tmp_path, {name: bytes.fromhex(data) for name, data in case["cache"].items()})
    wanted = WantedPeer(
        case["wanted"]["custodian"],
        frozenset(case["wanted"]["runtimes"]),
        frozenset(case["wanted"]["manifests"]),
        floors={f"sha256:{hashlib.sha256(ROOT).hexdigest()}": case["floor"]} if "floor" in case else {},
    )
    with taken_for_amds(ROOT):
        try:
            claims = verify_peer(
                bytes.fromhex(case["certificate"]),
                roots=Roots(amd=True),
                at=parse_time(case["at"]),
                wanted=wanted,
                completed=cache.completed,
            )
            outcome = {"platform": claims.platform}
        except CasemateError as error:
            outcome = {"step": str(error.step)}
    assert outcome == case["outcome"]


def test_they_are_written_anew(tmp_path: Path) -> None:
    main(tmp_path)
    for name, cases in (("completed", CASES), ("certificates", CERTIFICATES)):
        written = json.loads((tmp_path / f"{name}.json").read_text())
        assert [case["name"] for case in written["cases"]] == list(cases)
