"""Documents of made-up Nitro Enclaves: what is right verifies, what is wrong is refused for exactly its reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation import cbor
from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.nitro import verify as module
from casemate.attestation.platforms.nitro.document import MAX_DOCUMENT_BYTES, Document
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceError, EvidenceMalformedError, InputError
from casemate.testing.nitro.cases import RIGHT as CASES
from casemate.testing.nitro.cases import WRONG, case, chain
from casemate.testing.nitro.plan import AT, MANIFEST, REPORT_DATA, Plan, encode
from casemate.wire.evidence import Endorsements, Evidence

NAMES = (*CASES, *WRONG)
RIGHT = Plan.right(chain())


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up root, in the place of AWS's."""
    root = Certificate.parse(chain().root, "root")
    monkeypatch.setattr(module, "shipped_root", lambda: root)


def judge(data: bytes | Plan = RIGHT, *, at: datetime = AT, aws: bool = True, **expected: bytes) -> VerifiedClaims:
    return verify(
        Evidence(format="nitro-document", report=data.built() if isinstance(data, Plan) else data),
        Endorsements(certificates=b"", crls=[]),
        roots=Roots(amd=True, aws=aws),
        at=at,
        expected=Expected(**{"report_data": REPORT_DATA, "manifest": MANIFEST, **expected}),
    )


def test_a_right_document_gives_its_claims() -> None:
    claims = judge()
    assert (claims.platform, claims.manifest, claims.report_data) == ("nitro", MANIFEST, REPORT_DATA)
    assert claims.runtime_measurement == f"sha384:{RIGHT.content['pcrs'][0].hex()}"
    assert (claims.tcb, claims.seen, claims.hardware.decode()) == ({}, {}, RIGHT.content["module_id"])


def test_the_tag_of_cose_may_stand_before_it() -> None:
    assert judge(b"\xd2" + RIGHT.built()) == judge()


@pytest.mark.parametrize("name", NAMES)
def test_a_right_one_verifies_and_a_wrong_one_is_refused_for_its_reason(name: str) -> None:
    given = case(name)
    if given.error is None:
        assert judge(given.document, at=given.at).manifest == MANIFEST
        return
    with pytest.raises(EvidenceError) as caught:
        judge(given.document, at=given.at)
    assert (type(caught.value), caught.value.step) == (given.error, given.step)


def test_certificates_hold_from_their_first_to_their_last_second() -> None:
    start, end = AT - timedelta(hours=1), AT + timedelta(hours=2)
    for at in (start, end):
        assert judge(at=at).verified_at == at
    for at in (start - timedelta(seconds=1), end + timedelta(seconds=1)):
        with pytest.raises(EvidenceError) as caught:
            judge(at=at)
        assert caught.value.step == "evidence.time"


def test_without_aws_among_the_roots_no_document_is_believed() -> None:
    with pytest.raises(EvidenceError) as caught:
        judge(aws=False)
    assert caught.value.step == "evidence.root"


def test_what_is_too_large_is_not_read() -> None:
    with pytest.raises(InputError, match="too large"):
        Document.parse(bytes(MAX_DOCUMENT_BYTES + 1))


def test_every_flipped_bit_of_a_part_is_noticed() -> None:
    """Of each byte of the whole document one bit: the real one's test takes them all in turn."""
    data = RIGHT.built()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x80 >> position % 8
        with pytest.raises((EvidenceError, InputError)):
            judge(bytes(changed))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_document_or_an_error(data: bytes) -> None:
    for candidate in (data, b"\x84\x44\xa1\x01\x38\x22\xa0" + data):
        with pytest.raises((EvidenceError, InputError)):
            Document.parse(candidate)


@pytest.mark.parametrize(
    "data",
    [
        "", "18", "1801", "1900ff", "5f", "9f", "bf", "c000", "f90000", "fb0000000000000000", "f7", "f8ff",
        "a201000100", "a1400000", "a1f500", "62c328", "9b7fffffffffffffff", "bb7fffffffffffffff", "0000",
        "8181818181818181818100", "5b7fffffffffffffff",
    ],
)  # fmt: skip
def test_what_has_another_spelling_or_is_no_cbor_is_refused(data: str) -> None:
    with pytest.raises(EvidenceMalformedError):
        cbor.decode(bytes.fromhex(data), what="it")


@given(
    st.recursive(
        st.none() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 300) | st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=4,
    )
)
def test_what_is_written_is_read(value: Any) -> None:
    assert cbor.decode(encode(value), what="it") == value


def test_what_is_nested_deeply_is_refused() -> None:
    assert cbor.decode(b"\x81" * 8 + b"\x00", what="it") == [[[[[[[[0]]]]]]]]
    with pytest.raises(EvidenceMalformedError, match="nested too deeply"):
        cbor.decode(b"\x81" * 9 + b"\x00", what="it")
