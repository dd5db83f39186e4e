"""Certificates of a custodian's TLS, by its identity: what spec/vectors says of each, and whatever bytes come."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.ra_tls import MAX_CERTIFICATE_BYTES
from casemate.client.tls_identity import verify_tls_identity
from casemate.errors import CasemateError, NotGenuineError, TooLargeError
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
        verify_tls_identity(bytes(MAX_CERTIFICATE_BYTES + 1), GENESIS, at=NOW)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(CasemateError):
        verify_tls_identity(data, GENESIS, at=NOW)


def test_every_bit_of_a_certificate_counts_but_the_padding_of_its_signature() -> None:
    accepted = []
    for place in range(len(RIGHT)):
        for bit in range(8):
            changed = bytearray(RIGHT)
            changed[place] ^= 1 << bit
            with contextlib.suppress(CasemateError):
                verify_tls_identity(bytes(changed), GENESIS, at=NOW)
                accepted.append((place, bit))
    # How many bits of the BIT STRING's last byte are padding: not a part of what is signed, nor of the signature. They
    # must be zeros (X.690, 11.2.1).
    padding = len(RIGHT) - len(x509.load_der_x509_certificate(RIGHT).signature) - 1
    zeros = (RIGHT[-1] & -RIGHT[-1]).bit_length() - 1
    assert accepted == [(padding, bit) for bit in range(3) if 1 << bit <= zeros]
