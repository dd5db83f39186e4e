"""Certificates of a custodian's TLS, by its identity: what spec/vectors says of each, and whatever bytes come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.ra_tls import MAX_CERTIFICATE_BYTES, MAX_PEM_BYTES
from casemate.client.tls_identity import verify_tls_identity
from casemate.errors import CasemateError, NotGenuineError, TooLargeError
from casemate.testing.ra_tls import certificate_with
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import parse_time

FILE: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "spec" / "vectors" / "results" / "ra-tls.json").read_text()
)
GENESIS: Final = CustodianGenesis.model_validate_json(FILE["genesis"])
GOOD: Final = {case["name"]: case for case in FILE["good"]}
HOSTILE: Final = {case["name"]: case for case in FILE["hostile"]}
RIGHT: Final = bytes.fromhex(GOOD["in its time"]["certificate"])
NOW: Final = parse_time(GOOD["in its time"]["at"])


@pytest.mark.parametrize("name", GOOD)
def test_a_certificate_that_the_pinned_custodian_vouches_for_is_its_own(name: str) -> None:
    case = GOOD[name]
    found = verify_tls_identity(bytes.fromhex(case["certificate"]), GENESIS, at=parse_time(case["at"]))
    assert found.key == FILE["instance_key"]


@pytest.mark.parametrize("name", HOSTILE)
def test_every_other_certificate_is_refused_with_the_step(name: str) -> None:
    case = HOSTILE[name]
    with pytest.raises(NotGenuineError) as refused:
        verify_tls_identity(bytes.fromhex(case["certificate"]), GENESIS, at=parse_time(case["at"]))
    assert refused.value.step == case["step"]


def test_what_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(TooLargeError):
        verify_tls_identity(b"-----BEGIN CERTIFICATE-----".ljust(MAX_PEM_BYTES + 1), GENESIS, at=NOW)


def of_size(size: int) -> bytes:
    """A certificate of so many bytes, DER: signatures differ by a byte or two in length."""
    filling = size - len(certificate_with(("1.2.3", bytes(size - 1024)))) + size - 1024
    while len(made := certificate_with(("1.2.3", bytes(filling)))) != size:
        filling += (len(made) < size) - (len(made) > size)
    return made


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("form", [bytes, pem])
def test_the_largest_certificate_is_read_and_no_larger_one(form: Callable[[bytes], bytes]) -> None:
    with pytest.raises(NotGenuineError, match="nothing in it carries evidence"):
        verify_tls_identity(form(of_size(MAX_CERTIFICATE_BYTES)), GENESIS, at=NOW)
    with pytest.raises(TooLargeError):
        verify_tls_identity(form(of_size(MAX_CERTIFICATE_BYTES + 1)), GENESIS, at=NOW)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(CasemateError):
        verify_tls_identity(data, GENESIS, at=NOW)


def test_every_bit_of_a_certificate_counts() -> None:
    for place in range(len(RIGHT)):
        for bit in range(8):
            changed = bytearray(RIGHT)
            changed[place] ^= 1 << bit
            with pytest.raises(CasemateError):
                verify_tls_identity(bytes(changed), GENESIS, at=NOW)


def test_a_certificate_holds_until_its_last_second_is_over() -> None:
    last = GOOD["in its last second"]
    data, at = bytes.fromhex(last["certificate"]), parse_time(last["at"])
    verify_tls_identity(data, GENESIS, at=at + timedelta(microseconds=999_999))
    with pytest.raises(NotGenuineError) as refused:
        verify_tls_identity(data, GENESIS, at=at + timedelta(seconds=1))
    assert refused.value.step == "ra_tls.times"
