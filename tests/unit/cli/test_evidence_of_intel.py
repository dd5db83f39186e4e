"""`casemate evidence` with quotes of a made-up Intel, whose root stands in the place of Intel's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.tdx.verify import runtime_measurement
from casemate.client import pins
from casemate.testing.intel.bodies import ENCLAVE
from casemate.testing.intel.cases import case
from casemate.testing.intel.plan import MANIFEST, REPORT_DATA
from casemate.wire.fields import format_time
from tests.unit.attestation.intel import MADE_FOR, over_a_quote, trusting

from .conftest import Casemate, pin

POLICY = f"""casemate: 1
policy: acme/records
genesis: "sha256:{"0" * 64}"
principals: {{alice: {{key: "ed25519:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}}}}
access: {{read: {{any: [alice]}}, update: {{any: [alice]}}}}
services:
  api:
    workload: {{manifest: "sha256:{MANIFEST.hex()}"}}
    runtime: {{measurements: {{sgx: ["sha256:{ENCLAVE["mr_enclave"].hex()}"]}}}}
    platforms: {{sgx: {{tcb: {{evaluation: 20}}, require: {{opinions: WANTED}}}}}}
"""


@pytest.mark.parametrize(("name", "version"), [("version-3", 3), ("version-4", 4), ("version-5", 5)])
def test_a_quote_of_each_version_is_shown_and_verified(casemate: Casemate, name: str, version: int) -> None:
    plan = case(name, tdx=False).plan
    sent = {"evidence": plan.evidence().to_object(), "endorsements": plan.endorsements().to_object()}
    Path("quote.json").write_text(json.dumps(sent))
    Path("quote.dat").write_bytes(plan.evidence().report)
    shown = casemate("evidence", "show", "quote.dat", "--json").data
    assert (shown["platform"], shown["version"], shown["mrenclave"]) == ("sgx", version, ENCLAVE["mr_enclave"].hex())
    asked = ("--evidence", "quote.json", "--at", format_time(plan.at), "--report-data", REPORT_DATA.hex())
    with trusting(plan.root):
        found = casemate("evidence", "verify", *asked, "--manifest", f"sha256:{MANIFEST.hex()}", "--json").data
        told = casemate("evidence", "verify", *asked).output
    assert (found["tcb_status"], found["details"]["quote_version"]) == ("up-to-date", version)
    twice = version == 3
    assert found["values"]["opinions"] == ("2" if twice else "1")
    assert ("second_opinion: the same" in told) == twice
    assert ("second_opinion: none: dcap-qvl judges SGX in version 3 only" in told) != twice


@pytest.mark.parametrize(("name", "held"), [("version-3", True), ("version-4", False), ("version-5", False)])
def test_a_policy_may_ask_for_two_opinions(casemate: Casemate, name: str, held: bool) -> None:
    plan = case(name, tdx=False).plan
    sent = {"evidence": plan.evidence().to_object(), "endorsements": plan.endorsements().to_object()}
    Path("quote.json").write_text(json.dumps(sent))
    asked = ("--evidence", "quote.json", "--at", format_time(plan.at), "--policy", "records.yaml#api", "--json")
    for wanted, admitted in ((["2"], held), (["1", "2"], True)):
        Path("records.yaml").write_text(POLICY.replace("WANTED", json.dumps(wanted)))
        with trusting(plan.root):
            told = casemate("evidence", "verify", *asked)
        assert (told.status == 0) == admitted, told
        assert admitted or json.loads(told.output)["error"]["step"] == "platform.values"


def test_what_is_wrong_with_a_quote_of_a_later_version_is_said(casemate: Casemate) -> None:
    for name in ("version-4-another-version-was-signed", "version-5-body-of-type-2", "version-5-debug"):
        made = case(name, tdx=False)
        sent = {"evidence": made.plan.evidence().to_object(), "endorsements": made.plan.endorsements().to_object()}
        Path("quote.json").write_text(json.dumps(sent))
        with trusting(made.plan.root):
            told = casemate(
                "evidence", "verify", "--evidence", "quote.json", "--at", format_time(made.plan.at), "--json"
            )
        assert json.loads(told.output)["error"]["step"] == made.step


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        (None, "ra_tls.platform.listed"),
        ("{tdx: {tcb: {evaluation: 21}}}", "ra_tls.tcb.minima"),
        ("{tdx: {tcb: {evaluation: 20}}}", None),
    ],
)
def test_a_certificate_of_a_machine_of_intels_is_judged_by_a_policy_that_is_named(
    casemate: Casemate, home: Path, asked: str | None, step: str | None
) -> None:
    """It is not this custodian's own, which is asked last."""
    pinned = pin(home, "main")
    made, plan = over_a_quote(pinned.identity)
    runtime = runtime_measurement(TdReport.parse(plan.quote.body))
    pins.save(home / "custodians", pinned.model_copy(update={"runtime": runtime, "manifest": MADE_FOR}))
    Path("certificate").write_bytes(made)
    words = ["--certificate", "certificate", "--custodian", "main", "--at", format_time(plan.at), "--json"]
    if asked is not None:
        Path("records.yaml").write_text(
            POLICY.replace("sgx: [", "tdx: [")
            .replace("sha256:" + ENCLAVE["mr_enclave"].hex(), runtime)
            .replace("{sgx: {tcb: {evaluation: 20}, require: {opinions: WANTED}}}", asked)
        )
        words += ["--platforms", "records.yaml#api"]
    with trusting(plan.root):
        told = casemate("evidence", "verify-certificate", *words)
    assert json.loads(told.output)["error"]["step"] == (step or "instance.form")
