"""Evidence and what endorses it, as they lie in files."""

from __future__ import annotations

import base64
import json
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, VLEK, parse_certificate_table
from casemate.attestation.reading import MAX_FILE_BYTES, evidence_in
from casemate.errors import EndorsementError, EvidenceError, EvidenceMalformedError, TooLargeError
from casemate.testing.amd.cases import RIGHT, Case, case
from casemate.testing.nitro.plan import Chain, Plan

DOCUMENT = Plan.right(Chain.made()).built()
SNP = FORMATS["sev-snp-report"]


@pytest.mark.parametrize("name", RIGHT)
def test_a_report_is_known_however_it_is_spelled(name: str) -> None:
    given = case(name)
    report = given.evidence.report
    own = {"format": "sev-snp-report", "report": base64.urlsafe_b64encode(report).rstrip(b"=").decode()}
    for data in (
        report,
        report.hex().encode(),
        b"0x" + report.hex().upper().encode() + b"\n",
        base64.encodebytes(report),
        base64.urlsafe_b64encode(report).rstrip(b"="),
        json.dumps(own).encode(),
        json.dumps({"evidence": own, "endorsements": {"certificates": "", "crls": []}}).encode(),
    ):
        assert evidence_in(data) == given.evidence
        assert evidence_in(data, platform="sev-snp") == given.evidence


def test_a_document_is_known_by_its_first_bytes() -> None:
    for data in (DOCUMENT, b"\xd2" + DOCUMENT, base64.b64encode(DOCUMENT), DOCUMENT.hex().encode()):
        assert evidence_in(data).format == "nitro-document"
    with pytest.raises(EvidenceMalformedError, match="another platform"):
        evidence_in(DOCUMENT, platform="sev-snp")


@pytest.mark.parametrize("data", [b"", b"\0" * 1184, b"\x84", b"{}", b"{", b'{"format":"tdx","report":""}', b"z" * 99])
def test_what_is_no_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceMalformedError):
        evidence_in(data)


def test_what_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(TooLargeError):
        evidence_in(bytes(MAX_FILE_BYTES + 1))


@given(st.binary(max_size=64))
def test_any_bytes_are_evidence_or_an_error(data: bytes) -> None:
    for candidate in (data, DOCUMENT[:6] + data, b"{" + data):
        try:
            evidence_in(candidate)
        except EvidenceMalformedError:
            continue


def test_everything_that_evidence_says_is_shown() -> None:
    fields = FORMATS["nitro-document"].fields(DOCUMENT)
    assert {"module_id", "timestamp", "pcr0", "pcr16", "user_data", "cabundle", "signature"} <= set(fields)
    report = case(RIGHT[0]).evidence.report
    shown = SNP.fields(report)
    for start, end, name in ((0x50, 0x90, "report_data"), (0x90, 0xC0, "measurement"), (0x1A0, 0x1E0, "chip_id")):
        assert shown[name] == report[start:end].hex()
    assert json.dumps(shown)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("form", [Encoding.DER, Encoding.PEM])
def test_certificates_are_found_in_any_order_and_form(name: str, form: Encoding) -> None:
    given = case(name)
    files = [*certificates(given, form), *(_list(data, form) for data in given.endorsements.crls)]
    random.Random(name).shuffle(files)
    _verifies(given, files)
    if form is Encoding.PEM:
        _verifies(given, [b"\n".join(files)])


def test_a_table_is_taken_as_it_is_and_strangers_are_passed_by() -> None:
    given = case(RIGHT[0])
    other = next(case(name) for name in RIGHT if case(name).roots != given.roots)
    table = given.endorsements.certificates
    *authorities, _ = certificates(other, Encoding.DER)
    _verifies(given, [*authorities, table, *given.endorsements.crls])


def test_without_the_certificate_of_the_key_there_is_nothing_to_begin_with() -> None:
    given = case(RIGHT[0])
    with pytest.raises(EndorsementError, match="0 certificates"):
        SNP.endorsements(given.evidence.report, list(given.endorsements.crls))
    with pytest.raises(EvidenceError):
        SNP.endorsements(given.evidence.report, [b"no certificate", b"\x30\x00"])


def certificates(given: Case, form: Encoding) -> list[bytes]:
    """From the root down."""
    table = parse_certificate_table(given.endorsements.certificates)
    found = [_loaded(table[place]) for place in (ARK, ASK, VCEK, VLEK) if place in table]
    return [certificate.public_bytes(form) for certificate in sorted(found, key=lambda one: one.subject != one.issuer)]


def _loaded(data: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else x509.load_der_x509_certificate(data)


def _list(data: bytes, form: Encoding) -> bytes:
    return x509.load_der_x509_crl(data).public_bytes(form)


def _verifies(given: Case, files: list[bytes]) -> None:
    found = SNP.endorsements(given.evidence.report, files)
    again = given.with_bytes(table=found.certificates, lists=found.crls)
    assert again.judge().runtime_measurement == given.judge().runtime_measurement
