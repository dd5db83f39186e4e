"""Quotes of a made-up TPM: what is right verifies, what is wrong is refused for exactly its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import SHIPPED_ROOTS, Unasked
from casemate.attestation.platforms.tpm import verify as module
from casemate.attestation.platforms.tpm.chain import shipped_roots
from casemate.attestation.platforms.tpm.machine import MACHINE, certified_machine
from casemate.attestation.platforms.tpm.structures import MAX_REPORT_BYTES, Quote
from casemate.attestation.platforms.tpm.verify import pcr_of, verify_tpm
from casemate.attestation.verify import Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EndorsementError, EvidenceError, InputError
from casemate.platforms import PLATFORMS
from casemate.testing.tpm.cases import RIGHT, WRONG, Case, build, case
from casemate.testing.tpm.plan import KEYS, machine, right
from casemate.testing.tpm.quotes import MANIFEST, REPORT_DATA
from casemate.wire.evidence import Evidence

LATE = {f"evidence.{step}" for step in ("authority", "chain", "root", "crl", "revoked", "validity", "crl_floor", "log")}
"""Steps in which certificates are verified, or logs replayed."""


@cache
def made(name: str) -> Case:
    return case(name)


def said(claims: VerifiedClaims) -> Mapping[str, Any]:
    return {
        "platform": claims.platform,
        "measurement": claims.runtime_measurement.removeprefix("sha256:"),
        "report_data": claims.report_data.hex(),
        "lacks": sorted(claims.lacks),
        "seen": dict(claims.seen),
    }


@pytest.mark.parametrize("name", RIGHT)
def test_right_evidence_gives_its_claims(name: str) -> None:
    claims = made(name).judge()
    assert said(claims) == made(name).claims
    assert claims.manifest == MANIFEST
    assert claims.values["key"] == claims.hardware.hex()
    assert claims.values["pcr15"] == pcr_of(MANIFEST).hex()
    assert claims.values.keys() <= PLATFORMS["tpm"].values
    assert ("authority" in claims.values) == ("authority" not in claims.lacks)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_evidence_is_refused_for_its_reason(name: str) -> None:
    wrong = made(name)
    with pytest.raises(EvidenceError) as caught:
        wrong.judge()
    assert (type(caught.value), caught.value.step) == (wrong.error, wrong.step)


@pytest.mark.parametrize("name", [name for name in WRONG if made(name).step in LATE])
def test_what_is_for_others_is_refused_before_what_costs_more(name: str) -> None:
    for_me = made(name).expected
    for expected, step in (
        (replace(for_me, report_data=b"o" * 64), "report_data"),
        (replace(for_me, manifest=b"o" * 32), "manifest"),
    ):
        with pytest.raises(EvidenceError) as caught:
            replace(made(name), expected=expected).judge()
        assert caught.value.step == f"evidence.{step}"


def test_googles_roots_count_where_the_caller_trusts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = made("ecdsa-p256")
    monkeypatch.setattr(module, "shipped_roots", lambda: given.roots)
    arguments = given.evidence, given.endorsements
    assert verify(*arguments, roots=Roots(google=True), at=given.at, expected=given.expected)
    with pytest.raises(EndorsementError) as caught:
        verify(*arguments, roots=Roots(amd=True, aws=True, intel=True), at=given.at, expected=given.expected)
    assert caught.value.step == "evidence.root"


def test_there_is_no_other_root_than_googles() -> None:
    assert len(shipped_roots()) == 2
    given = made("ecdsa-p256")
    with pytest.raises(EndorsementError) as caught:
        verify(given.evidence, given.endorsements, roots=SHIPPED_ROOTS, at=given.at, expected=given.expected)
    assert caught.value.step == "evidence.root"
    excused = case("authority-excused")
    claims = verify_tpm(excused.evidence, excused.endorsements, Roots(), excused.at, excused.expected)
    assert claims.lacks == {"authority"}


def test_what_is_not_asked_is_not_compared() -> None:
    given = made("no-manifest")
    unasked = replace(given.expected, manifest=Unasked.UNASKED)
    claims = replace(given, expected=unasked).judge()
    assert (claims.manifest, claims.values["pcr15"]) == (b"", bytes(32).hex())
    given = made("another-nonce")
    assert replace(given, expected=replace(given.expected, report_data=Unasked.UNASKED)).judge()


def test_qualifying_data_of_others_is_compared_as_it_is() -> None:
    """Report data of ours has 64 bytes and is hashed; a nonce of any other length stands for itself."""
    nonce = bytes.fromhex("9009")
    plan = right()
    given = build(replace(plan, quote=replace(plan.quote, extra=nonce)))
    assert replace(given, expected=replace(given.expected, report_data=nonce)).judge().report_data == nonce
    with pytest.raises(EvidenceError):
        replace(given, expected=replace(given.expected, report_data=REPORT_DATA)).judge()


def test_the_log_is_told_about() -> None:
    claims = made("with-a-log").judge()
    assert (claims.details["log_events"], claims.details["log_pcrs"]) == (6, [0, 4, 5, 11])
    assert claims.details["log_remarks"] == []
    remarks = made("with-a-log-closed-too-early").judge().details["log_remarks"]
    assert remarks == ["PCR 5 has the end of boot services, which the log has not"]
    assert made("ecdsa-p256").judge().details["log_events"] == 0


def unauthenticated(report: bytes) -> set[int]:
    """Bits, by number, that nobody signs and that no step needs: of the attributes of TPM2B_PUBLIC those that leave
    the key as safe as it is (stClear, userWithAuth, adminWithPolicy, noDA, encryptedDuplication, x509sign).
    """
    quote = Quote.parse(report)
    start = report.index(quote.public) + 4
    return {8 * start + 31 - bit for bit in (2, 6, 7, 10, 11, 19)}


@pytest.mark.parametrize("name", KEYS)
def test_every_flipped_bit_is_noticed(name: str) -> None:
    given = made(name)
    report = given.evidence.report
    free = unauthenticated(report)
    passed = set()
    for bit in range(8 * len(report)):
        changed = bytearray(report)
        changed[bit // 8] ^= 0x80 >> bit % 8
        try:
            claims = given.with_report(bytes(changed)).judge()
        except EvidenceError:
            continue
        passed.add(bit)
        assert said(claims) == given.claims
    assert passed == free


def test_what_is_too_large_is_not_read() -> None:
    with pytest.raises(InputError, match="too large"):
        Quote.parse(bytes(MAX_REPORT_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_quote_or_an_error(data: bytes) -> None:
    report = made("ecdsa-p256").evidence.report
    for candidate in (data, report[: len(data)] + data, report[:140] + data, report + data):
        try:
            Quote.parse(candidate)
        except (InputError, EvidenceError):
            continue


@given(position=st.integers(0, 1000), bits=st.integers(1, 255), name=st.sampled_from(["ecdsa-p384", "rsapss"]))
def test_any_changed_byte_gives_claims_or_an_error(position: int, bits: int, name: str) -> None:
    given = made(name)
    changed = bytearray(given.evidence.report)
    changed[position % len(changed)] ^= bits
    try:
        given.with_report(bytes(changed)).judge()
    except EvidenceError:
        return


@given(st.binary(max_size=300))
def test_any_bytes_are_no_endorsements(data: bytes) -> None:
    given = made("ecdsa-p256")
    pem = given.endorsements.certificates
    broken = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    for certificates in (data or b"\0", pem + broken, broken):
        other = given.endorsements.model_copy(update={"certificates": certificates})
        with pytest.raises(EvidenceError):
            replace(given, endorsements=other).judge()
    other = given.endorsements.model_copy(update={"crls": [*given.endorsements.crls, data]})
    with pytest.raises(EvidenceError):
        replace(given, endorsements=other).judge()


@given(data=st.binary(max_size=200), cut=st.integers(0, 900))
def test_any_bytes_in_files_are_shown_or_refused(data: bytes, cut: int) -> None:
    report, known = made("ecdsa-p256").evidence.report, FORMATS["tpm-quote"]
    for candidate in (data, report[:cut] + data, report[:cut] + data + report[cut + len(data) :]):
        for read in (known.fields, lambda quote: known.endorsements(quote, [])):
            try:
                assert read(candidate)
            except (InputError, EvidenceError):
                continue
    try:
        known.endorsements(report, [data, made("ecdsa-p256").endorsements.certificates])
    except EvidenceError:
        return


def test_strangers_among_the_files_are_passed_by() -> None:
    given, other = made("ecdsa-p256"), made("list-of-somebody-else")
    files = [other.endorsements.crls[2], given.endorsements.certificates, *given.endorsements.crls, *given.roots]
    found = FORMATS["tpm-quote"].endorsements(given.evidence.report, files)
    assert found.crls == given.endorsements.crls
    assert replace(given, endorsements=found).judge() == given.judge()


def test_a_log_of_any_bytes_is_refused() -> None:
    given = made("with-a-log")
    for log in (bytes(100), b"\xff" * 1000, b"log"):
        with pytest.raises(EvidenceError) as caught:
            replace(given, evidence=Evidence(format="tpm-quote", report=given.evidence.report, log=log)).judge()
        assert caught.value.step == "evidence.log"


def test_a_key_is_certified_for_a_machine() -> None:
    values = made("certified-for-a-machine").judge().values
    assert {name: values[name] for name in ("zone", "project", "instance")} == {
        "zone": "zone-1", "project": "project", "instance": str(2**64 - 1),
    }  # fmt: skip
    assert "instance" not in made("ecdsa-p256").judge().values
    assert len(LONG_MACHINE) == 133
    assert certified_machine({MACHINE: LONG_MACHINE})["project"] == "project"


RIGHT_MACHINE = machine()
LONG_MACHINE = machine(zone=b"z" * (136 - RIGHT_MACHINE[1]))
"""Of 130 bytes, which takes another byte to say."""


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x30", b"\x30\x00", b"\x31" + RIGHT_MACHINE[1:], RIGHT_MACHINE + b"\0\0", RIGHT_MACHINE * 2,
        b"\x30\x81" + RIGHT_MACHINE[1:], b"\x30\x82\0" + RIGHT_MACHINE[1:], RIGHT_MACHINE.replace(b"zone", b"\xffone"),
        RIGHT_MACHINE.replace(b"zone", b"z\x1bne"), machine(zone=b""), machine(zone=b"z" * 129),
        RIGHT_MACHINE.replace(b"\x02\x09\x00", b"\x02\x09\xff"), RIGHT_MACHINE.replace(b"\xa1\x03", b"\xa2\x03"),
        RIGHT_MACHINE.replace(b"\x01\x01\xff", b"\x01\x01\x01"),
        RIGHT_MACHINE.replace(b"\x0c\x04name", b"\x13\x04name"),
        RIGHT_MACHINE[:1] + bytes([RIGHT_MACHINE[1] + 1]) + RIGHT_MACHINE[2:], b"\x30\x82" + LONG_MACHINE[3:],
    ],
)  # fmt: skip
def test_what_a_certificate_says_of_no_machine_is_refused(data: bytes) -> None:
    with pytest.raises(EndorsementError) as caught:
        certified_machine({MACHINE: data})
    assert caught.value.step == "evidence.machine"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_machine_or_an_error(data: bytes) -> None:
    for candidate in (data, RIGHT_MACHINE[: len(data)] + data, RIGHT_MACHINE[: -len(data)] + data):
        try:
            certified_machine({MACHINE: candidate})
        except EndorsementError:
            continue
