"""`casemate endorsements`: from an empty cache to verified evidence without a network, and a look ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp import chain, wanted
from casemate.attestation.platforms.sev_snp.table import ARK, parse_certificate_table
from casemate.cli.endorsements import fetch
from casemate.endorsements.fetching import Pace
from casemate.testing.amd.cases import Case, case
from casemate.testing.vendors import Service, amd_publishes, service
from casemate.wire.evidence import NO_ENDORSEMENTS
from casemate.wire.fields import format_time

from .conftest import Casemate


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Case:
    """Whose root is in the place of AMD's; nobody waits between two requests."""
    given = case("milan-vcek-v5")
    root = Certificate.parse(parse_certificate_table(given.endorsements.certificates)[ARK], "root")
    for module in (chain, wanted):
        monkeypatch.setattr(module, "shipped_roots", lambda: {root.subject: root})
    chain._verified_chain.cache_clear()
    monkeypatch.setattr(fetch, "PACE", Pace(apart={}, first_wait=0.0))
    return given


@pytest.fixture
def amd(chip: Case) -> Iterator[Service]:
    asked = wanted.wanted(chip.evidence.report, NO_ENDORSEMENTS)
    with service(amd_publishes(asked, chip.endorsements)) as found:
        yield found


def test_what_is_fetched_verifies_evidence_without_a_network(casemate: Casemate, chip: Case, amd: Service) -> None:
    Path("report.bin").write_bytes(chip.evidence.report)
    verify = ("evidence", "verify", "--evidence", "report.bin", "--at", format_time(chip.at), "--json")
    assert casemate(*verify).data["error"]["step"] == "evidence.certificates"
    said = casemate("endorsements", "fetch", "--evidence", "report.bin", "--amd", amd.url, "--json").data
    assert [entry["became"] for entry in said["entries"]] == ["new"] * 3
    amd.asked.clear()
    claims = casemate(*verify).data
    assert (claims["platform"], amd.asked) == ("sev-snp", [])
    assert "amd/milan/crl.der" in claims["ends"]


def test_a_bundle_carries_a_cache_to_another_machine(
    casemate: Casemate, chip: Case, amd: Service, tmp_path: Path
) -> None:
    Path("report.bin").write_bytes(chip.evidence.report)
    assert casemate("endorsements", "fetch", "--evidence", "report.bin", "--amd", amd.url).status == 0
    assert casemate("endorsements", "export", "all.json", "--json").data["entries"] == 3
    assert casemate("endorsements", "export", "all.json").status == 2
    other = ("--cache", tmp_path / "other")
    first, again = (casemate("endorsements", "import", "all.json", *other, "--json").data for _ in range(2))
    assert set(first["entries"].values()) == {"new"}
    assert set(again["entries"].values()) == {"same"}
    shown = casemate("endorsements", "show", *other, "--json").data["entries"]
    assert {entry["name"] for entry in shown} == set(first["entries"])
    listed = casemate("endorsements", "show", *other)
    assert "revocation list" in listed.output
    verify = ("evidence", "verify", "--evidence", "report.bin", "--at", format_time(chip.at), *other, "--json")
    assert casemate(*verify).data["platform"] == "sev-snp"


def test_without_anything_named_what_is_there_is_fetched_again(casemate: Casemate, chip: Case, amd: Service) -> None:
    nothing = casemate("endorsements", "fetch", "--json")
    assert (nothing.status, "nothing to fetch" in nothing.data["error"]["message"]) == (2, True)
    Path("report.bin").write_bytes(chip.evidence.report)
    casemate("endorsements", "fetch", "--evidence", "report.bin", "--amd", amd.url)
    said = casemate("endorsements", "fetch", "--amd", amd.url, "--anew", "--json").data
    assert {entry["name"]: entry["became"] for entry in said["entries"]} == {
        "amd/milan/crl.der": "same", "amd/milan/vcek-chain.pem": "same",
    }  # fmt: skip


def test_what_is_not_there_is_told(casemate: Casemate, chip: Case, amd: Service) -> None:
    refused = casemate("endorsements", "fetch", "--line", "naples", "--json")
    assert (refused.status, refused.data["error"]["expected"]) == (2, "milan, genoa, turin")
    refused = casemate("endorsements", "fetch", "--line", "turin", "--amd", amd.url, "--json")
    assert (refused.status, refused.data["error"]["got"]) == (22, "status 404")
    assert casemate("endorsements", "export", "none.json").status == 2
    Path("noise").write_bytes(b"noise")
    assert casemate("endorsements", "import", "noise").status == 12
    assert json.loads(casemate("endorsements", "show", "--json").output)["entries"] == []


def test_the_outlook_names_what_ends(casemate: Casemate, chip: Case, amd: Service) -> None:
    Path("report.bin").write_bytes(chip.evidence.report)
    assert casemate("endorsements", "outlook", "--json").data == {"coming": []}
    casemate("endorsements", "fetch", "--evidence", "report.bin", "--amd", amd.url)
    coming = casemate("endorsements", "outlook", "--days", "3650", "--json").data["coming"]
    assert "amd/milan/crl.der" in {one["name"] for one in coming}
    assert all(one["services"] == [] for one in coming)


POLICY = """\
casemate: 1
policy: acme/records
genesis: "sha256:{zeros}"
principals: {{alice: {{key: "ed25519:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}}}}
access: {{read: {{any: [alice]}}, update: {{any: [alice]}}}}
services:
  api:
    workload: {{manifest: "sha256:{manifest}"}}
    runtime: {{measurement: "sha384:{measurement}"}}
    platforms: [sev-snp]
"""


def test_a_policy_is_of_the_workload_too(casemate: Casemate, chip: Case, amd: Service) -> None:
    """Genuine evidence of another one does not pass because the machine is right, unless that is what was asked."""
    Path("report.bin").write_bytes(chip.evidence.report)
    casemate("endorsements", "fetch", "--evidence", "report.bin", "--amd", amd.url)
    verify = ("evidence", "verify", "--evidence", "report.bin", "--at", format_time(chip.at), "--json")
    manifest = casemate(*verify).data["manifest"].removeprefix("sha256:")
    judged = (*verify, "--policy", "records.yaml#api")
    for named, status in ((manifest, 0), ("7" * 64, 24)):
        text = POLICY.format(zeros="0" * 64, manifest=named, measurement=b"m".hex() * 48)
        Path("records.yaml").write_text(text)
        assert casemate(*judged).status == status
    alone = casemate(*judged, "--machine-only").data
    assert alone["not_compared"] == ["report_data", "manifest"]
