"""`casemate evidence`: shown without being believed, verified against the vendors' roots alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import pytest

from casemate.attestation.cmw import EVIDENCE, Record, encode_cbor, encode_json
from casemate.testing.amd.cases import RIGHT, case
from casemate.testing.nitro.plan import Chain, Plan
from casemate.testing.ra_tls import certificate_with
from casemate.testing.stage import free_port
from casemate.testing.tpm.cases import case as tpm_case
from casemate.wire import canonical
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_decode

from .conftest import Casemate, pin

VECTORS: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
real = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of real evidence are not here")

NITRO: Final = VECTORS / "nitro" / "attestation-doc-validation" / "valid-attestation-doc-bytes"
MILAN: Final = VECTORS / "sev-snp" / "sev" / "report_milan.hex"
MILAN_KEYS: Final = (
    "--endorsements", VECTORS / "sev-snp" / "sev" / "vcek_milan.der",
    "--endorsements", VECTORS / "sev-snp" / "trustee" / "milan_ask_ark_asvk.pem",
)  # fmt: skip


def test_what_evidence_says_is_shown_and_not_believed(casemate: Casemate) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    told = casemate("evidence", "show", "report.bin")
    assert told.status == 0
    assert "Nothing of this is verified" in told.output
    shown = casemate("evidence", "show", "report.bin", "--json").data
    assert (shown["platform"], shown["policy_debug"]) == ("sev-snp", False)
    Path("document").write_bytes(Plan.right(Chain.made()).built())
    assert casemate("evidence", "show", "document", "--json").data["platform"] == "nitro"
    Path("quote").write_bytes(tpm_case("ecdsa-p256").evidence.report)
    assert casemate("evidence", "show", "quote", "--json").data["platform"] == "tpm"


def test_a_quote_is_shown_with_its_log_and_verified_with_its_certificates(casemate: Casemate) -> None:
    given = tpm_case("with-a-log")
    Path("quote.json").write_text(json.dumps(given.evidence.to_object()))
    shown = casemate("evidence", "show", "quote.json", "--json").data
    assert (shown["pcr_digest_matches"], shown["log_records"], shown["log_remarks"]) == (True, 6, [])
    assert shown["log_sha256_11"] == shown["sha256_pcr11"]
    assert "log_records: 6" in casemate("evidence", "show", "quote.json").output
    Path("chain.pem").write_bytes(given.endorsements.certificates)
    for endorsements, step in (((), "authority"), (("--endorsements", "chain.pem"), "root")):
        told = casemate("evidence", "verify", "--evidence", "quote.json", *endorsements, "--json")
        assert (told.status, json.loads(told.output)["error"]["step"]) == (22, f"evidence.{step}")
    waived = ("--without-authority", "a machine on my desk", "--at", "2026-02-01T00:00:00Z", "--json")
    found = casemate("evidence", "verify", "--evidence", "quote.json", *waived).data
    assert (found["without_authority"], found["lacks"]) == ("a machine on my desk", ["authority"])
    assert (found["without_crl"], found["details"]["log_pcrs"]) == (None, [0, 4, 5, 11])


def test_evidence_under_a_root_that_nobody_ships_is_refused(casemate: Casemate) -> None:
    given = case(RIGHT[0])
    Path("report.bin").write_bytes(given.evidence.report)
    Path("table").write_bytes(given.endorsements.certificates)
    told = casemate("evidence", "verify", "--evidence", "report.bin", "--endorsements", "table", "--json")
    assert (told.status, json.loads(told.output)["error"]["step"]) == (22, "evidence.root")
    Path("document").write_bytes(Plan.right(Chain.made()).built())
    told = casemate("evidence", "verify", "--evidence", "document", "--json")
    assert (told.status, json.loads(told.output)["error"]["step"]) == (22, "evidence.root")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--evidence", "none"), 2),
        (("--evidence", "noise"), 21),
        (("--evidence", "report.bin", "--platform", "nitro"), 21),
        (("--evidence", "report.bin", "--report-data", "xyz"), 2),
        (("--evidence", "report.bin", "--at", "yesterday"), 2),
        (("--evidence", "report.bin", "--manifest", "abc"), 2),
        (("--evidence", "report.bin"), 22),
    ],
)
def test_a_mistake_has_its_own_end(casemate: Casemate, arguments: tuple[str, ...], status: int) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    Path("noise").write_bytes(b"noise")
    told = casemate("evidence", "verify", *arguments, "--json")
    assert (told.status, "error" in json.loads(told.output)) == (status, True)


@pytest.mark.parametrize(
    ("option", "value", "cure"),
    [
        ("--nonce", "xyz", "without 0x"),
        ("--nonce", "0x00ff", "without 0x"),
        ("--nonce", "", "leave --nonce out"),
        ("--report-data", "xyz", "without 0x"),
        ("--report-data", "", "leave --report-data out"),
        ("--at", "2026-01-31", "with T, seconds and Z"),
        ("--at", "", "leave --at out"),
        ("--manifest", "", None),
        ("--manifest", "sha256:AA", None),
        ("--platform", "SEV-SNP", None),
        ("--platform", "", None),
        ("--policy", "records.yaml", "as records.yaml#api"),
        ("--policy", "records.yaml#", "as records.yaml#api"),
        ("--policy", "", "as records.yaml#api"),
        ("--without-crl", "", "leave --without-crl out"),
        ("--without-authority", " ", "leave --without-authority out"),
        ("--max-vmpl", "4", "--help"),
        ("--cache", "report.bin", "name a folder"),
    ],
)
def test_an_option_that_is_written_wrongly_is_named_with_the_cure(
    casemate: Casemate, option: str, value: str, cure: str | None
) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    told = casemate("evidence", "verify", "--evidence", "report.bin", option, value, "--json")
    error = told.data["error"]
    assert (told.status, option in error["message"]) == (2, True)
    assert cure is None or cure in error["remedy"]


def test_options_of_the_other_commands_are_named_as_well(casemate: Casemate, home: Path) -> None:
    Path("file").write_bytes(b"x")
    pin(home, "main")
    for words in (
        ("verify-result", "--token", "file", "--nonce", "xyz"),
        ("verify-result", "--token", "file", "--at", "now"),
        ("verify-certificate", "--certificate", "file", "--at", "now"),
        ("collect", "--nonce", "xyz"),
        ("collect", "--report-data", "00"),
        ("collect", "--platform", "amd"),
        ("collect", "--wrap", "json"),
        ("collect", "--wrap", "xml", "--out", "file"),
    ):
        told = casemate("evidence", *words, "--json")
        option = next(word for word in reversed(words) if word.startswith("--") and word != "--out")
        assert (told.status, option in told.data["error"]["message"]) == (2, True), words


def test_machine_only_is_about_a_policy(casemate: Casemate) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    told = casemate("evidence", "verify", "--evidence", "report.bin", "--machine-only", "--json")
    assert (told.status, told.data["error"]["remedy"]) == (2, "name it with --policy FILE#SERVICE")


def test_a_file_that_is_none_is_told_by_what_it_is(casemate: Casemate) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    Path("empty").touch()
    Path("folder").mkdir()
    tokens = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "results" / "tokens.json").read_text())
    Path("token").write_text(tokens["good"][0]["token"])
    Path("certificate").write_bytes(certificate_with())
    for name, got in (
        ("empty", "an empty file"),
        ("token", "a result (EAR)"),
        ("certificate", "a certificate without"),
    ):
        error = casemate("evidence", "verify", "--evidence", name, "--json").data["error"]
        assert (error["step"], error["got"].startswith(got)) == ("evidence.format", True), name
    assert "verify-result" in casemate("evidence", "verify", "--evidence", "token").errors
    for command in (("verify", "--evidence"), ("show",), ("verify-result", "--token")):
        assert casemate("evidence", *command, "folder").status == 2
    told = casemate("evidence", "verify", "--evidence", "report.bin", "--endorsements", "empty", "--json")
    assert (told.status, told.data["error"]["message"]) == (2, "empty is empty")
    error = casemate("evidence", "verify", "--evidence", "report.bin", "--json").data["error"]
    assert "casemate endorsements fetch" in error["remedy"]


@real
def test_genuine_evidence_verifies_and_says_what_was_not_compared(casemate: Casemate) -> None:
    told = casemate("evidence", "verify", "--evidence", NITRO, "--at", "2022-10-13T08:58:02Z", "--json").data
    assert (told["platform"], told["not_compared"]) == ("nitro", ["report_data", "manifest", "policy"])
    at = ("--at", "2024-01-01T00:00:00Z")
    without = casemate("evidence", "verify", "--evidence", MILAN, *MILAN_KEYS, *at, "--json")
    assert (without.status, json.loads(without.output)["error"]["step"]) == (22, "evidence.crl")
    waived = ("--without-crl", "an archive", "--json")
    found = casemate("evidence", "verify", "--evidence", MILAN, *MILAN_KEYS, *at, *waived).data
    assert (found["platform"], found["product"], found["tcb"]["microcode"]) == ("sev-snp", "milan", 115)
    assert (found["without_crl"], found["lacks"]) == ("an archive", ["crl"])


@real
def test_what_is_given_is_compared(casemate: Casemate) -> None:
    arguments = ("evidence", "verify", "--evidence", MILAN, *MILAN_KEYS, "--at", "2024-01-01T00:00:00Z")
    found = casemate(*arguments, "--without-crl", "an archive", "--json").data
    right = ("--report-data", found["report_data"], "--manifest", found["manifest"])
    told = casemate(*arguments, "--without-crl", "an archive", *right, "--json").data
    assert told["not_compared"] == ["policy"]
    for option, wrong in (("--report-data", "00" * 64), ("--manifest", "sha256:" + "00" * 32)):
        given = dict(zip(right[::2], right[1::2], strict=True)) | {option: wrong}
        pairs = [part for pair in given.items() for part in pair]
        refused = casemate(*arguments, "--without-crl", "an archive", *pairs, "--json")
        expected = 0 if wrong == right[right.index(option) + 1] else 24
        assert refused.status == expected, option


@real
def test_a_nonce_is_what_the_platform_signed_of_it(casemate: Casemate) -> None:
    arguments = ("evidence", "verify", "--evidence", MILAN, *MILAN_KEYS, "--at", "2024-01-01T00:00:00Z", "--json",
                 "--without-crl", "an archive")  # fmt: skip
    data = casemate(*arguments).data["report_data"]
    told = casemate(*arguments, "--nonce", data).data
    assert told["not_compared"] == ["manifest", "policy"]
    for wrong in ("00", data[:-2]):
        refused = casemate(*arguments, "--nonce", wrong)
        assert (refused.status, refused.data["error"]["step"]) == (24, "evidence.nonce"), wrong


POLICY: Final = """\
casemate: 1
policy: acme/records
genesis: "sha256:{zeros}"
principals: {{alice: {{key: "ed25519:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}}}}
access: {{read: {{any: [alice]}}, update: {{any: [alice]}}}}
services:
  api:
    workload: {{manifest: "sha256:{manifest}"}}
    runtime: {{measurements: {{sev-snp: ["{measurement}"]}}}}
    platforms: {{sev-snp: {asked}}}
"""


@real
@pytest.mark.parametrize(
    ("asked", "step"),
    [
        ('{tcb: {microcode: 115}, require: {product: [milan]}, waive: [{lacks: crl, until: "2024-01-02"}]}', None),
        ("{}", "endorsements.complete"),
        ('{waive: [{lacks: crl, until: "2024-01-01"}]}', "endorsements.complete"),
        ('{tcb: {microcode: 116}, waive: [{lacks: crl, until: "2024-01-02"}]}', "tcb.minima"),
        ('{require: {product: [genoa]}, waive: [{lacks: crl, until: "2024-01-02"}]}', "platform.values"),
    ],
)
def test_a_policy_admits_the_platform_or_says_why_not(casemate: Casemate, asked: str, step: str | None) -> None:
    arguments = ("evidence", "verify", "--evidence", MILAN, *MILAN_KEYS, "--at", "2024-01-01T00:00:00Z", "--json")
    claims = casemate(*arguments, "--without-crl", "an archive").data
    measurement, manifest = claims["runtime_measurement"], claims["manifest"].removeprefix("sha256:")
    text = POLICY.format(zeros="0" * 64, manifest=manifest, measurement=measurement, asked=asked)
    Path("records.yaml").write_text(text)
    told = casemate(*arguments, "--policy", "records.yaml#api")
    if step is None:
        assert [one["held"] for one in told.data["policy"]] == [True] * 6
        assert told.data["not_compared"] == ["report_data"]
        return
    error = told.data["error"]
    assert (told.status, error["code"], error["step"]) == (34, "policy.denied", step)
    assert "services.api.platforms.sev-snp" in error["remedy"]


@pytest.mark.parametrize("policy", ["records.yaml", "#api", "records.yaml#web", "none.yaml#api"])
def test_a_policy_that_is_not_there_is_told(casemate: Casemate, policy: str) -> None:
    Path("report.bin").write_bytes(case(RIGHT[0]).evidence.report)
    Path("records.yaml").write_text(
        POLICY.format(zeros="0" * 64, manifest="0" * 64, measurement="sha384:" + "0" * 96, asked="{}")
    )
    told = casemate("evidence", "verify", "--evidence", "report.bin", "--policy", policy, "--json")
    assert told.status == 2


def test_a_result_is_shown_and_verified_against_a_pin(casemate: Casemate, home: Path) -> None:
    file = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "results" / "tokens.json").read_text())
    tokens = {case["name"]: case for case in file["good"]}
    Path("token").write_text(tokens["warned of"]["token"] + "\n")
    shown = casemate("evidence", "show", "token")
    assert "submods.workload.ear_status: warning" in shown.output
    assert "Nothing of this is verified: casemate evidence verify-result" in shown.output

    verify = ("evidence", "verify-result", "--token", "token", "--custodian", "main", "--at", tokens["warned of"]["at"])
    assert casemate(*verify).status == 2, "nobody is pinned yet"
    pinned = pin(home, "main", genesis=CustodianGenesis.model_validate_json(file["genesis"]))
    told = casemate(*verify, "--nonce", b64u_decode(file["nonce"]).hex(), "--json").data
    assert (told["custodian"], told["status"], told["key"]) == (pinned.identity, "warning", file["key"])
    assert "waived until 2027-01-31" in casemate(*verify).output
    refused = casemate(*verify, "--affirming", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (24, "result.status")
    pin(home, "other")
    assert casemate(*verify[:5], "other", *verify[6:]).status == 52
    assert casemate(*verify, "--nonce", "xyz").status == 2
    Path("token").write_bytes(b"\xff.\xff.\xff")
    assert casemate(*verify).status == 12


def test_what_is_wrapped_is_shown_and_verified_as_without(casemate: Casemate) -> None:
    given = case(RIGHT[0])
    own = canonical.encode({"evidence": given.evidence.to_object(), "endorsements": given.endorsements.to_object()})
    Path("wrapped").write_bytes(encode_cbor(Record(EVIDENCE, own)))
    assert casemate("evidence", "show", "wrapped", "--json").data["platform"] == "sev-snp"
    told = casemate("evidence", "verify", "--evidence", "wrapped", "--json")
    # Its endorsements came with it: the root is reached, and is nobody's.
    assert (told.status, json.loads(told.output)["error"]["step"]) == (22, "evidence.root")


def test_a_wrapped_result_is_shown_as_one(casemate: Casemate) -> None:
    file = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "results" / "tokens.json").read_text())
    Path("token").write_bytes(encode_json(Record("application/eat+jwt", file["good"][0]["token"].encode())))
    assert casemate("evidence", "show", "token", "--json").data["submods"]["workload"]["ear_status"] == "affirming"


def test_a_certificate_is_shown_with_the_extensions_that_are_known(casemate: Casemate) -> None:
    report = case(RIGHT[0]).evidence.report
    Path("certificate").write_bytes(certificate_with(("1.3.9901.2.1", report), ("1.3.9901.3.1", b"\x04\x01x")))
    told = casemate("evidence", "show", "certificate")
    assert "1.3.9901.2.1: Contrast: SEV-SNP attestation: 1184 bytes" in told.output
    assert "1.3.9901.3.1: Contrast: workload secret: 040178" in told.output
    assert "evidence.policy_debug: false" in told.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which certificate?"),
        (("--certificate", "file", "--connect", "127.0.0.1:1"), "which certificate?"),
        (("--connect", "127.0.0.1"), "--connect names no server"),
        (("--connect", "127.0.0.1:99999"), "--connect names no server"),
        (("--connect", ":443"), "--connect names no server"),
        (("--connect", "127.0.0.1:1", "--at", "2026-01-31T12:00:00Z"), "--at is about a certificate in a file"),
        (("--certificate", "file", "--statement", "file"), "--statement is about a policy"),
        (("--certificate", "file", "--policy", "records.yaml"), "--policy names no service"),
        (("--certificate", "file", "--platforms", "records.yaml"), "--platforms names no service"),
        (("--certificate", "file", "--policy", "r#a", "--platforms", "r#a"), "--platforms is about a custodian"),
        (("--certificate", "nowhere"), "nowhere: No such file"),
    ],
)
def test_words_about_a_certificate_that_mean_nothing_are_told(
    casemate: Casemate, home: Path, words: tuple[str, ...], message: str
) -> None:
    Path("file").write_bytes(b"x")
    pin(home, "main")
    told = casemate("evidence", "verify-certificate", *words, "--json")
    assert (told.status, message in told.data["error"]["message"]) == (2, True), told.output


def test_a_server_that_is_not_there_is_told(casemate: Casemate, home: Path) -> None:
    pin(home, "main")
    error = casemate("evidence", "verify-certificate", "--connect", f"127.0.0.1:{free_port()}", "--json").data["error"]
    assert "no TLS with 127.0.0.1" in error["message"]
    assert "does it listen there" in error["remedy"]


def test_a_certificate_is_verified_against_a_pin(casemate: Casemate, home: Path) -> None:
    file = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "results" / "ra-tls.json").read_text())
    given = file["good"][0]
    Path("certificate").write_bytes(bytes.fromhex(given["certificate"]))
    words = (
        "evidence",
        "verify-certificate",
        "--certificate",
        "certificate",
        "--custodian",
        "main",
        "--at",
        given["at"],
    )
    assert casemate(*words).status == 2, "nobody is pinned yet"
    pin(home, "main", genesis=CustodianGenesis.model_validate_json(file["genesis"]))
    told = casemate(*words, "--json")
    # The identity is right, the evidence in it is none.
    assert (told.status, json.loads(told.output)["error"]["step"]) == (21, "evidence.report")
    pin(home, "other")
    told = casemate(*words[:5], "other", *words[6:], "--json")
    assert (told.status, json.loads(told.output)["error"]["step"]) == (24, "ra_tls.custodian")
