"""Genuine reports of real machines verify, each at a time at which its certificates held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp.key_extensions import key_extensions
from casemate.attestation.platforms.sev_snp.products import PRODUCTS, TURIN
from casemate.attestation.platforms.sev_snp.report import Report
from casemate.attestation.platforms.sev_snp.signing import is_signed_by
from casemate.errors import EndorsementError, EvidenceRejectedError


def tcb(*versions: int) -> dict[str, int]:
    return dict(zip(("bootloader", "tee", "snp", "microcode"), versions, strict=True))


GENUINE = {
    "milan-v2": {"product": "milan", "tcb": tcb(3, 0, 8, 115), "vmpl": 0, "version": 2, "key": "VCEK"},
    "milan-v2-trustee": {"product": "milan", "tcb": tcb(3, 0, 8, 115), "vmpl": 0, "version": 2, "key": "VCEK"},
    "milan-v3": {"product": "milan", "tcb": tcb(4, 0, 23, 213), "vmpl": 0, "version": 3, "key": "VCEK"},
    "milan-v3-vlek": {"product": "milan", "tcb": tcb(4, 0, 24, 217), "vmpl": 1, "version": 3, "key": "VLEK"},
    "genoa-v3": {"product": "genoa", "tcb": tcb(10, 0, 23, 84), "vmpl": 0, "version": 3, "key": "VCEK"},
}

ENDS = {
    "milan-v2": datetime(2029, 6, 1, tzinfo=UTC),
    "milan-v3-vlek": datetime(2025, 12, 10, 22, 14, 21, tzinfo=UTC),
    "genoa-v3": datetime(2032, 4, 20, 18, 31, 36, tzinfo=UTC),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_evidence_verifies(vectors: Any, name: str) -> None:
    claims = vectors.evidence(name).judge()
    assert claims.platform == "sev-snp"
    assert GENUINE[name] == {
        "product": claims.product,
        "tcb": {name: version for name, version in claims.tcb.items() if name != "guest"},
        "vmpl": claims.details["vmpl"],
        "version": claims.details["report_version"],
        "key": claims.details["key"],
    }


@pytest.mark.parametrize("name", [*GENUINE, "milan-v2-debug"])
def test_real_reports_come_back_byte_by_byte(vectors: Any, name: str) -> None:
    data = vectors.evidence(name).report
    assert Report.parse(data).to_bytes() == data


def test_what_a_report_holds_is_what_its_makers_put_there(vectors: Any) -> None:
    claims = vectors.evidence("milan-v3").judge()
    assert claims.report_data.rstrip(b"\0") == b"attest-test-fixture-2026"
    assert claims.manifest.hex() == "783f0057820acb99249af56cc3b07b4e8d80f65183167cba9cf437bb680f742f"
    assert claims.runtime_measurement.startswith(
        "sha384:7f51e17f72a04d5422cb2c00998166536019a217376f3aa45a630e59c805a599"
    )
    assert claims.hardware.hex().startswith("38d174589d2dff97a6d40cb9f9d90b9507c027491219083cef3ce73e")


def test_a_vlek_names_the_cloud_provider_and_no_chip(vectors: Any) -> None:
    claims = vectors.evidence("milan-v3-vlek").judge()
    assert claims.values["csp_id"] == "CN=cc-us-east-2.amazonaws.com"
    assert claims.hardware == bytes(64)


def test_a_guest_that_may_be_debugged_is_refused(vectors: Any) -> None:
    with pytest.raises(EvidenceRejectedError) as caught:
        vectors.evidence("milan-v2-debug").judge()
    assert caught.value.step == "evidence.debug"


def test_a_report_from_below_the_shield_is_refused(vectors: Any) -> None:
    with pytest.raises(EvidenceRejectedError) as caught:
        replace(vectors.evidence("milan-v3-vlek"), max_vmpl=0).judge()
    assert caught.value.step == "evidence.vmpl"


@pytest.mark.parametrize("name", GENUINE)
def test_no_list_is_a_refusal_for_real_machines_too(vectors: Any, name: str) -> None:
    with pytest.raises(EndorsementError) as caught:
        replace(vectors.evidence(name), excused=frozenset()).judge()
    assert caught.value.step == "evidence.crl"


@pytest.mark.parametrize("name", ["milan-v3-vlek", "genoa-v3"])
def test_it_verifies_until_the_last_second_of_its_certificates(vectors: Any, name: str) -> None:
    assert replace(vectors.evidence(name), at=ENDS[name]).judge().verified_at == ENDS[name]
    with pytest.raises(EndorsementError) as caught:
        replace(vectors.evidence(name), at=ENDS[name] + timedelta(seconds=1)).judge()
    assert caught.value.step == "evidence.validity"


@pytest.mark.parametrize("name", GENUINE)
def test_it_does_not_verify_before_its_certificates_were_made(vectors: Any, name: str) -> None:
    with pytest.raises(EndorsementError) as caught:
        replace(vectors.evidence(name), at=datetime(2022, 1, 1, tzinfo=UTC)).judge()
    assert caught.value.step == "evidence.validity"


@pytest.mark.parametrize("product", PRODUCTS)
def test_authorities_of_every_line_are_of_the_form_that_is_asked_for(vectors: Any, product: str) -> None:
    found = vectors.authorities(f"trustee/{product.lower()}_ask_ark_asvk.pem", "ask", "ark", "asvk")
    ask, ark, asvk = (Certificate.parse(found[role], role) for role in ("ask", "ark", "asvk"))
    assert [ark.common_name, ask.common_name, asvk.common_name] == [
        f"ARK-{product}",
        f"SEV-{product}",
        f"SEV-VLEK-{product}",
    ]
    assert (ark.signs_lists, ark.path_length) == (True, None)
    for certificate in (ark, ask, asvk):
        assert is_signed_by(certificate, ark)
        assert certificate.authority
        assert certificate.signs_certificates


def test_the_turin_chain_holds(vectors: Any) -> None:
    """There is no report of it; its certificates have another structure, FMC, and a short HWID."""
    ask = Certificate.parse(vectors.line("turin")["ask"], "ASK")
    vcek = Certificate.parse(vectors.read("sev/vcek_turin.der"), "VCEK")
    assert is_signed_by(vcek, ask)
    certified = key_extensions(vcek.extensions, TURIN)
    assert certified.spl == {"fmc": 0, "bootloader": 0, "tee": 0, "snp": 0, "microcode": 9}
    assert certified.hwid == bytes.fromhex("1e550a8ee5cf9f4d")
    assert (certified.product, certified.csp_id) == ("Turin", None)


@pytest.mark.parametrize(("encoding", "microcode"), [("legacy", 0xA9), ("new", 0x1E)])
def test_both_encodings_of_the_hwid_are_read(vectors: Any, encoding: str, microcode: int) -> None:
    certificate = Certificate.parse(vectors.read(f"trustee/test-vcek-invalid-{encoding}.der"), "VCEK")
    certified = key_extensions(certificate.extensions, PRODUCTS["Milan"])
    assert certified.hwid == bytes(range(64))
    assert certified.spl["microcode"] == microcode
