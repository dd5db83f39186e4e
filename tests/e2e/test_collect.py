"""Evidence of the simulated platform, for those who name it: from a domain of the evidence's program itself."""

from __future__ import annotations

import json

from casemate.attestation.reading import endorsements_in, evidence_in

from .conftest import Installation


def test_evidence_of_the_simulated_platform_is_that_of_another_domain(installation: Installation) -> None:
    stage, nonce = installation.stage, "ab" * 64
    file = stage.folder / "simulated.json"
    said = stage.ask(
        "evidence", "collect", "--platform", "simulated", "--report-data", nonce, "--out", file
    )  # fmt: skip
    assert (said["platform"], said["report_data"]) == ("simulated", nonce)
    shown = stage.ask("evidence", "show", file)
    assert shown["report_data"] == nonce
    assert f"sha384:{shown['measurement']}" != installation.runtime, "it is no shield's"
    assert evidence_in(file.read_bytes()).format == "sev-snp-report"
    endorsed = endorsements_in(file.read_bytes())
    assert endorsed is not None
    assert endorsed.crls


def test_nobody_who_ships_roots_believes_it(installation: Installation) -> None:
    stage = installation.stage
    file = stage.folder / "simulated.json"
    stage.ask("evidence", "collect", "--platform", "simulated", "--out", file)
    told = stage.cli("evidence", "verify", "--evidence", file, "--json")
    assert json.loads(told.output)["error"]["step"] == "evidence.root"
