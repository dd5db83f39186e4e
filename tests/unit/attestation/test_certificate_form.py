"""The one form of certificates over evidence, and the one grammar of PEM: as in crates/wire and crates/ra-tls."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.carried import DICE_CMW
from casemate.attestation.certificate_form import EXTENSION, SERIAL_BYTES, Form, certificate_of, read_form
from casemate.attestation.certificates import Certificate, der_of
from casemate.attestation.platforms.sev_snp.chain import shipped_roots
from casemate.errors import EndorsementError

KEY: Final = ec.generate_private_key(ec.SECP256R1())
SPKI: Final = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SERIAL: Final = b"\x41" * SERIAL_BYTES
START: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
EDGE: Final = datetime(2050, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)


def vectors(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parents[3] / "spec" / "vectors" / f"{name}.json").read_text())


PEM: Final = vectors("pem")


def form(**change: Any) -> Form:
    return Form(
        **{"serial": SERIAL, "start": START, "end": START + SECOND, "public_key": SPKI, "value": b"x", **change}
    )


def made(right: Form) -> bytes:
    signed = right.signed()
    return certificate_of(signed, KEY.sign(signed, ec.ECDSA(hashes.SHA256())))


times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)


@given(
    serial=st.binary(min_size=SERIAL_BYTES, max_size=SERIAL_BYTES).map(lambda some: b"\x7f" + some[1:]),
    start=times,
    end=times,
    value=st.binary(max_size=300) | st.just(bytes(70_000)),
)
def test_what_was_written_is_read_by_us_and_by_a_library(
    serial: bytes, start: datetime, end: datetime, value: bytes
) -> None:
    right = form(serial=serial, start=start, end=end, value=value)
    der = made(right)
    assert read_form(der).form == right
    loaded = x509.load_der_x509_certificate(der)
    assert (loaded.not_valid_before_utc, loaded.not_valid_after_utc) == (start, end)
    assert loaded.serial_number == int.from_bytes(serial, "big")
    found = {extension.oid.dotted_string: extension for extension in loaded.extensions}
    assert [(oid, one.critical) for oid, one in found.items()] == [("2.5.29.19", True), (DICE_CMW, False)]
    assert found[DICE_CMW].value.public_bytes() == value
    loaded.verify_directly_issued_by(loaded)


@pytest.mark.parametrize(("time", "tag"), [(EDGE - SECOND, 0x17), (EDGE, 0x18)])
def test_years_have_four_digits_from_2050_on(time: datetime, tag: int) -> None:
    right = form(start=time)
    assert bytes([tag, 13 if tag == 0x17 else 15]) in right.signed()
    assert read_form(made(right)).form == right


@pytest.mark.parametrize(
    "change",
    [
        {"serial": SERIAL[1:]},
        {"serial": b"\x80" + SERIAL[1:]},
        {"serial": b"\x3f" + SERIAL[1:]},
        {"public_key": SPKI + b"x"},
        {"public_key": SPKI[:26] + b"\x02" + SPKI[27:]},
        {"start": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)},
    ],
)
def test_what_the_form_has_no_place_for_is_not_written(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        form(**change).signed()


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_and_what_is_cut_off_are_refused(data: bytes, length: int) -> None:
    right = made(form())
    for wrong in (data, right[: length % len(right)], right + data[:1] + b"\0", right[:length] + data):
        if wrong != right:
            with pytest.raises(EndorsementError) as refused:
                read_form(wrong)
            assert refused.value.step == "evidence.certificates"


def test_the_extension_is_the_one_of_the_tcg() -> None:
    assert x509.ObjectIdentifier(DICE_CMW).dotted_string == "2.23.133.5.4.9"
    builder = x509.UnrecognizedExtension(x509.ObjectIdentifier(DICE_CMW), b"")
    assert builder.oid.dotted_string == DICE_CMW
    assert EXTENSION in made(form())


@pytest.mark.parametrize("case", PEM["good"], ids=lambda case: case["name"])
def test_pem_is_read_as_the_vectors_say(case: dict[str, str]) -> None:
    assert der_of(bytes.fromhex(case["text"])).hex() == case["der"]


@pytest.mark.parametrize("case", PEM["hostile"], ids=lambda case: case["name"])
def test_other_pem_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        der_of(bytes.fromhex(case["text"]))


def test_what_surrounds_a_vendors_certificate_is_not_overlooked() -> None:
    pem = x509.load_der_x509_certificate(next(iter(shipped_roots().values())).der).public_bytes(Encoding.PEM)
    assert Certificate.parse(pem, "root").authority
    for wrong in (pem + pem, pem + b"x", pem.replace(b"-----\n", b"-----\nA: b\n\n", 1)):
        with pytest.raises(EndorsementError):
            Certificate.parse(wrong, "root")
