"""Conceptual message wrappers: what spec/vectors says of each, whatever bytes come, and evidence inside of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation import cbor
from casemate.attestation.cmw import (
    EVIDENCE,
    Collection,
    Record,
    decode_cmw,
    encode_cbor,
    encode_json,
    looks_wrapped,
    records_in,
)
from casemate.attestation.platforms.sev_snp.table import parse_certificate_table
from casemate.attestation.reading import endorsements_in, evidence_in
from casemate.errors import CasemateError, EvidenceMalformedError
from casemate.testing.amd.cases import RIGHT, case
from casemate.wire import canonical
from casemate.wire.fields import b64u_encode

ROOT: Final = Path(__file__).parents[3]
FILE: Final[dict[str, Any]] = json.loads((ROOT / "spec" / "vectors" / "results" / "wrappers.json").read_text())
GOOD: Final = {case["name"]: case for case in FILE["good"]}
REFUSED: Final = {case["name"]: case for case in FILE["refused"]}
VECTORS: Final = Path(os.environ.get("CASEMATE_VECTORS", ROOT.parent / "shared" / "vectors"))
RATSD: Final = VECTORS / "sev-snp" / "services"


@pytest.mark.parametrize("name", GOOD)
def test_a_wrapper_is_read_as_it_was_meant(name: str) -> None:
    data = bytes.fromhex(GOOD[name]["data"])
    assert looks_wrapped(data)
    found = [
        {"label": label, "type": record.type, "value": record.value.hex(), "ind": record.indicators}
        for label, record in records_in(decode_cmw(data))
    ]
    assert found == GOOD[name]["records"]


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_wrapper_is_refused(name: str) -> None:
    with pytest.raises(EvidenceMalformedError):
        decode_cmw(bytes.fromhex(REFUSED[name]["data"]))


@given(
    st.one_of(st.binary(max_size=80), st.sampled_from(sorted(GOOD)).map(lambda name: bytes.fromhex(GOOD[name]["data"])))
)
def test_any_bytes_are_a_wrapper_or_an_error_of_ours(data: bytes) -> None:
    try:
        found = decode_cmw(data)
    except EvidenceMalformedError:
        return
    assert isinstance(found, Record | Collection)


@given(st.sampled_from(sorted(GOOD)), st.integers(0, 2000), st.integers(1, 255))
def test_a_wrapper_that_was_changed_is_another_one_or_an_error_of_ours(name: str, place: int, bits: int) -> None:
    data = bytearray(bytes.fromhex(GOOD[name]["data"]))
    data[place % len(data)] ^= bits
    for read in (decode_cmw, evidence_in):
        try:
            read(bytes(data))
        except CasemateError:
            continue


@pytest.mark.parametrize("record", [Record("a/b", b"x"), Record("a/b; c=d", b"", 31)])
def test_what_is_written_is_read_again(record: Record) -> None:
    assert decode_cmw(encode_json(record)) == record
    assert decode_cmw(encode_cbor(record)) == record
    assert decode_cmw(encode_cbor(Record(30_001, record.value, record.indicators))) == Record(
        30_001, record.value, record.indicators
    )


def test_media_types_are_one_whatever_their_case_and_parameters() -> None:
    assert Record("Application/EAT+jwt; eat_profile=x", b"").media_type == "application/eat+jwt"
    assert Record(30_001, b"").media_type == "format 30001"


GIVEN = case(RIGHT[0])
OWN = canonical.encode(
    {"evidence": GIVEN.evidence.to_object(), "endorsements": GIVEN.endorsements.to_object()},
)


@pytest.mark.parametrize("write", [encode_json, encode_cbor])
def test_evidence_is_read_from_its_wrapper_with_what_endorses_it(write: Any) -> None:
    data = write(Record(EVIDENCE, OWN, 4))
    assert evidence_in(data) == GIVEN.evidence
    assert endorsements_in(data) == GIVEN.endorsements
    with pytest.raises(EvidenceMalformedError, match="another platform"):
        evidence_in(data, platform="nitro")


def test_the_one_piece_of_evidence_in_a_collection_counts_and_of_two_none() -> None:
    own, other = [EVIDENCE, b64u_encode(OWN)], ["application/eat+jwt", b64u_encode(b"x")]
    assert evidence_in(canonical.encode({"cpu": own, "result": other})) == GIVEN.evidence
    for items, message in (({"a": own, "b": own}, "several"), ({"result": other}, "no evidence")):
        with pytest.raises(EvidenceMalformedError, match=message) as refused:
            evidence_in(canonical.encode(items))
        assert refused.value.step == "evidence.cmw"


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"evidence":{}}', GIVEN.evidence.report])
def test_a_type_that_is_not_kept_to_is_refused(value: bytes) -> None:
    with pytest.raises(EvidenceMalformedError):
        evidence_in(encode_cbor(Record(EVIDENCE, value)))


def tsm(kind: str, **change: object) -> bytes:
    """What Veraison makes of configfs-tsm."""
    parts = {
        "auxblob": GIVEN.endorsements.certificates,
        "outblob": GIVEN.evidence.report,
        "provider": "sev_guest",
        **change,
    }
    if kind == "json":
        return canonical.encode(
            {name: b64u_encode(part) if isinstance(part, bytes) else part for name, part in parts.items()}
        )
    items = [
        cbor.encode_text(name) + (cbor.encode_bytes(part) if isinstance(part, bytes) else cbor.encode_text(str(part)))
        for name, part in parts.items()
    ]
    return cbor.encode_head(cbor.MAP, len(items)) + b"".join(items)


@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_reports_of_configfs_tsm_are_read_alone_and_wrapped(kind: str) -> None:
    media_type = f"application/vnd.veraison.tsm-report+{kind}"
    for data in (tsm(kind), encode_json(Record(media_type, tsm(kind))), encode_cbor(Record(media_type, tsm(kind)))):
        assert evidence_in(data) == GIVEN.evidence
        beside = endorsements_in(data)
        assert beside is not None
        assert parse_certificate_table(beside.certificates) == parse_certificate_table(GIVEN.endorsements.certificates)
    for wrong in ({"provider": "arm_cca_guest"}, {"outblob": "x"}):
        with pytest.raises(EvidenceMalformedError):
            evidence_in(tsm(kind, **wrong))


@pytest.mark.skipif(not RATSD.exists(), reason="the vectors of real evidence are not here")
@pytest.mark.parametrize("name", ["sevsnp-ratsd-token", "sevsnp-tsm-report.json", "sevsnp-tsm-report.cbor"])
def test_what_veraison_collected_on_a_real_machine_is_read(name: str) -> None:
    data = (RATSD / name).read_bytes()
    assert evidence_in(data).format == "sev-snp-report"
    assert endorsements_in(data) is not None
