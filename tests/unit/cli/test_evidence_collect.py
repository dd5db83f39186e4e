"""`casemate evidence collect`: what is here is asked, and nothing stands in for what was named and is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, build_certificate_table
from casemate.attestation.reading import endorsements_in
from casemate.errors import EvidenceMalformedError
from casemate.testing.amd.cases import RIGHT, case
from casemate.testing.swtpm import MISSING_SWTPM, SoftwareTpm, swtpm, swtpm_is_there
from casemate.wire.fields import b64u_decode, b64u_encode

from .conftest import Casemate

TPM: Final = pytest.mark.skipif(not swtpm_is_there(), reason=MISSING_SWTPM)
NONCE: Final = "00ff"
VECTORS: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
MILAN: Final = VECTORS / "sev-snp" / "sev" / "report_milan.hex"


@pytest.fixture(scope="module")
def tpm() -> Iterator[SoftwareTpm]:
    with swtpm() as started:
        yield started


def error(casemate: Casemate, *words: str) -> Any:
    told = casemate("evidence", "collect", "--json", *words)
    assert told.status != 0
    return told.data["error"]


@TPM
def test_a_tpm_that_is_named_gives_evidence_in_a_file(casemate: Casemate, tpm: SoftwareTpm) -> None:
    told = casemate("evidence", "collect", "--tpm", str(tpm.socket), "--nonce", NONCE, "--out", "evidence.json")
    assert told.status == 0
    assert "--evidence evidence.json" in told.output
    assert f"Evidence of tpm, from {tpm.socket}" in told.errors
    written = json.loads(Path("evidence.json").read_text())
    assert written["evidence"]["format"] == "tpm-quote"
    # The 16 registers come last; nothing was extended into the last of them.
    assert b64u_decode(written["evidence"]["report"]).endswith(bytes(32))


@TPM
@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_evidence_is_wrapped_where_it_is_asked_for(casemate: Casemate, tpm: SoftwareTpm, kind: str) -> None:
    words = ("evidence", "collect", "--tpm", str(tpm.socket), "--out", "wrapped", "--wrap", kind)
    assert casemate(*words).status == 0
    assert casemate("evidence", "show", "wrapped", "--json").data["format"] == "tpm-quote"


def test_a_wrapper_is_of_one_of_two_kinds_and_goes_into_a_file(casemate: Casemate) -> None:
    assert error(casemate, "--out", "file", "--wrap", "xml")["code"] == "usage"
    assert error(casemate, "--wrap", "json")["code"] == "usage"


@TPM
def test_what_is_printed_is_the_evidence_alone(casemate: Casemate, tpm: SoftwareTpm) -> None:
    told = casemate("evidence", "collect", "--tpm", str(tpm.socket))
    assert set(json.loads(told.output)) == {"evidence", "endorsements"}
    said = casemate("evidence", "collect", "--tpm", str(tpm.socket), "--nonce", NONCE, "--json").data
    assert (said["platform"], said["source"], said["others"]) == ("tpm", str(tpm.socket), [])
    assert said["report_data"] == NONCE.ljust(128, "0")
    assert said["evidence"]["format"] == "tpm-quote"


@TPM
def test_a_key_is_named_by_its_persistent_handle(casemate: Casemate, tpm: SoftwareTpm) -> None:
    failed = error(casemate, "--tpm", str(tpm.socket), "--key", "0x81000003")
    assert "there is nothing under this handle" in failed["message"]
    for wrong in ("0x80000000", "81", "zz", "0x82000000"):
        assert error(casemate, "--key", wrong)["code"] == "usage"


@pytest.mark.skipif(
    any(Path(place).exists() for place in ("/dev/tpmrm0", "/dev/sev-guest", "/dev/nsm", "/sys/kernel/config/tsm")),
    reason="this machine has a platform",
)
@pytest.mark.parametrize("named", [None, "sev-snp", "tdx", "nitro", "tpm"])
def test_a_machine_without_it_is_told_what_was_looked_for(casemate: Casemate, named: str | None) -> None:
    failed = error(casemate, *([] if named is None else ["--platform", named]))
    assert (failed["code"], failed["step"]) == ("platform", "collect.absent")
    assert named is None or f"({named}" in failed["message"] or f", {named})" in failed["message"]
    assert "--platform simulated" in failed["remedy"]


def test_a_simulated_platform_that_does_not_run_is_no_other_platform(casemate: Casemate) -> None:
    failed = error(casemate, "--platform", "simulated")
    assert failed["step"] == "platform.connect"
    assert "no fall-back" in failed["remedy"]


def test_what_cannot_be_meant_is_refused(casemate: Casemate) -> None:
    for words in (
        ("--platform", "sgx"),
        ("--platform", "sev-snp", "--tpm", "/dev/tpm0"),
        ("--nonce", "00", "--report-data", "00"),
        ("--nonce", ""),
        ("--nonce", "00" * 65),
        ("--report-data", "00" * 63),
        ("--report-data", "zz"),
    ):
        assert error(casemate, *words)["code"] == "usage"


def test_endorsements_beside_the_evidence_are_used(casemate: Casemate) -> None:
    given = case(RIGHT[0])
    form = {
        "evidence": given.evidence.model_dump(mode="json", exclude_none=True),
        "endorsements": given.endorsements.model_dump(mode="json"),
    }
    Path("evidence.json").write_text(json.dumps(form))
    told = casemate("evidence", "verify", "--evidence", "evidence.json", "--json")
    # They are those of a made-up root, and without them there would be no root at all.
    assert told.data["error"]["step"] == "evidence.root"
    Path("noise").write_bytes(b"noise")
    told = casemate("evidence", "verify", "--evidence", "evidence.json", "--endorsements", "noise", "--json")
    assert told.data["error"]["step"] != "evidence.root", "files that are named count"
    assert endorsements_in(Path("evidence.json").read_bytes()) == given.endorsements
    assert endorsements_in(json.dumps(form["evidence"]).encode()) is None
    assert endorsements_in(b"no JSON") is None
    with pytest.raises(EvidenceMalformedError):
        endorsements_in(json.dumps({**form, "endorsements": {"certificates": 1}}).encode())


@pytest.mark.skipif(not MILAN.exists(), reason="the vectors of real evidence are not here")
def test_files_that_are_named_come_to_what_lies_beside(casemate: Casemate) -> None:
    report = bytes.fromhex("".join(MILAN.read_text().split()))
    authorities = build_certificate_table(
        {place: Certificate.parse(pem, "authority").der for place, pem in zip((ARK, ASK), _authorities(), strict=True)}
    )
    form = {
        "evidence": {"format": "sev-snp-report", "report": b64u_encode(report)},
        "endorsements": {"certificates": b64u_encode(authorities), "crls": []},
    }
    Path("evidence.json").write_text(json.dumps(form))
    words = ("evidence", "verify", "--evidence", "evidence.json", "--at", "2024-01-01T00:00:00Z", "--json",
             "--without-crl", "an archive")  # fmt: skip
    assert casemate(*words).status != 0
    assert casemate(*words, "--endorsements", MILAN.with_name("vcek_milan.der")).data["product"] == "milan"


def _authorities() -> list[bytes]:
    folder = MILAN.parent / "milan"
    return [(folder / name).read_bytes() for name in ("ark.pem", "ask.pem")]
