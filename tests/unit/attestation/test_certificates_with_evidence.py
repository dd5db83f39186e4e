"""Evidence in certificates of this and other projects: their extensions are named, and what is inside is read."""

from __future__ import annotations

import contextlib
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation import cbor
from casemate.attestation.carried import DICE_CMW, PKIX_CMW, Carried, carried_in, certificate_in
from casemate.attestation.cmw import EVIDENCE, Record, encode_cbor, encode_json
from casemate.attestation.reading import endorsements_in, evidence_in
from casemate.errors import CasemateError, EndorsementError, EvidenceMalformedError
from casemate.testing.amd.cases import RIGHT, case
from casemate.testing.ra_tls import certificate_with
from casemate.wire import canonical

GIVEN: Final = case(RIGHT[0])
REPORT: Final = GIVEN.evidence.report
OWN: Final = canonical.encode(
    {"evidence": GIVEN.evidence.to_object(), "endorsements": GIVEN.endorsements.to_object()},
)
WRAPPED: Final = encode_cbor(Record(EVIDENCE, OWN))
GRAMINE: Final = "1.2.840.113741.1337.6"


def der(kind: int, value: bytes) -> bytes:
    if len(value) < 0x80:
        return bytes([kind, len(value)]) + value
    size = (len(value).bit_length() + 7) // 8
    return bytes([kind, 0x80 + size]) + len(value).to_bytes(size, "big") + value


def carried(oid: str, value: bytes) -> Carried:
    loaded = certificate_in(certificate_with((oid, value)))
    assert loaded is not None
    (found,) = carried_in(loaded)
    return found


def gramine(quote: bytes, tag: int = 60_000) -> bytes:
    parts = cbor.encode_bytes(quote) + cbor.encode_bytes(b"\xa0")
    return cbor.encode_head(cbor.TAG, tag) + cbor.encode_head(cbor.ARRAY, 2) + parts


@pytest.mark.parametrize(
    ("oid", "value", "name"),
    [
        (DICE_CMW, WRAPPED, "TCG DICE"),
        (DICE_CMW, encode_json(Record(EVIDENCE, OWN)), "TCG DICE"),
        (DICE_CMW, der(0x04, WRAPPED), "TCG DICE"),
        (DICE_CMW, der(0x30, der(0x04, WRAPPED)), "TCG DICE"),
        (DICE_CMW, gramine(REPORT), "Gramine"),
        (PKIX_CMW, der(0x04, WRAPPED), "RFC 9999"),
        (PKIX_CMW, der(0x0C, encode_json(Record(EVIDENCE, OWN))), "RFC 9999"),
        (GRAMINE, REPORT, "Gramine"),
        ("0.6.9.42.840.113741.1337.6", REPORT, "Gramine"),
        ("1.3.6.1.4.1.62397.1.1", der(0x04, REPORT), "dstack"),
        ("1.3.9901.2.1", REPORT, "Contrast"),
    ],
)
def test_evidence_is_read_from_the_extensions_that_are_known(oid: str, value: bytes, name: str) -> None:
    found = carried(oid, value)
    assert name in found.name
    assert found.wrapped is not None
    assert found.wrapped.evidence == GIVEN.evidence
    pem = x509.load_der_x509_certificate(certificate_with((oid, value))).public_bytes(Encoding.PEM)
    assert evidence_in(certificate_with((oid, value))) == evidence_in(pem, platform="sev-snp") == GIVEN.evidence


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.3.6.1.4.1.62397.1.2", "dstack: event log"),
        ("1.3.6.1.4.1.62397.1.8", "dstack: attestation"),
        ("1.3.9901.2.2.14", "Contrast, TDX: MRTD"),
        ("1.3.9901.2.2.20", "Contrast, TDX: RTMR2"),
        ("1.3.9901.2.1.22", "Contrast, SEV-SNP: measurement"),
        ("1.3.9901.2.1.43", "Contrast: a claim"),
        ("2.23.133.5.4.2", "TCG DICE: endorsements"),
    ],
)
def test_what_holds_no_evidence_is_named_all_the_same(oid: str, name: str) -> None:
    assert carried(oid, b"\x04\x01x") == Carried(oid, name, b"\x04\x01x")


@pytest.mark.parametrize("oid", ["1.2.3.4", "1.3.99012.1", "1.3.6.1.4.1.62397.2.1"])
def test_what_is_nobodys_is_left_out(oid: str) -> None:
    loaded = certificate_in(certificate_with((oid, REPORT)))
    assert loaded is not None
    assert carried_in(loaded) == []
    with pytest.raises(EvidenceMalformedError):
        evidence_in(certificate_with((oid, REPORT)))


def test_an_extension_may_be_critical_and_what_is_beside_the_evidence_comes_with_it() -> None:
    data = certificate_with(("1.3.9901.3.1", b"\x04\x01x"), (DICE_CMW, WRAPPED), critical=True)
    assert evidence_in(data) == GIVEN.evidence
    assert endorsements_in(data) == GIVEN.endorsements


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        gramine(REPORT, 60_001),
        b"\x04\x80",
        b"\x30\x82",
        b"\x04\x05" + WRAPPED,
        encode_cbor(Record("a/b", OWN)),
    ],
)
def test_a_wrapper_that_is_none_has_its_reason(value: bytes) -> None:
    found = carried(DICE_CMW, value)
    assert found.wrapped is None
    assert found.problem


@given(oid=st.sampled_from([DICE_CMW, PKIX_CMW, GRAMINE, "1.3.6.1.4.1.62397.1.1"]), value=st.binary(max_size=80))
def test_any_bytes_in_an_extension_are_shown(oid: str, value: bytes) -> None:
    assert carried(oid, value).wrapped is None


@given(place=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_certificate_that_was_changed_is_read_or_an_error_of_ours(place: int, bits: int) -> None:
    data = bytearray(SIGNED)
    data[place % len(data)] ^= bits
    with contextlib.suppress(CasemateError):
        evidence_in(bytes(data))


SIGNED: Final = certificate_with((DICE_CMW, WRAPPED))


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x82\x00\x00\x31\x82", REPORT])
def test_what_does_not_look_like_a_certificate_is_none(data: bytes) -> None:
    assert certificate_in(data) is None


@pytest.mark.parametrize("data", [b"\x30\x82\x00\x00\x30\x82", b"-----BEGIN CERTIFICATE-----\nx"])
def test_what_looks_like_a_certificate_and_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(EndorsementError) as refused:
        certificate_in(data)
    assert refused.value.step == "evidence.certificates"
