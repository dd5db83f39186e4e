"""Reports: bytes and structs are exact inverses, every byte counts, any bytes are a report or our own error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.platforms.sev_snp.report import REPORT_BYTES, SIGNED_BYTES, VERSIONS, Report
from casemate.errors import EvidenceError, EvidenceMalformedError
from casemate.testing.amd.cases import Case
from casemate.testing.amd.plan import right as right_plan

FIELDS = right_plan().report.fields


@pytest.mark.parametrize("version", VERSIONS)
def test_reports_come_back_byte_by_byte(version: int) -> None:
    data = right_plan(version=version).report.make()
    report = Report.parse(data)
    assert len(data) == REPORT_BYTES
    assert report.to_bytes() == data
    assert report.signed_bytes() == data[:SIGNED_BYTES]


def test_every_field_is_where_the_firmware_puts_it() -> None:
    """ABI 1.58, table ATTESTATION_REPORT, written down a second time: nothing is taken from the parser."""
    places = {
        "guest_svn": (0x04, 4),
        "policy": (0x08, 8),
        "family_id": (0x10, 16),
        "image_id": (0x20, 16),
        "vmpl": (0x30, 4),
        "current_tcb": (0x38, 8),
        "platform_info": (0x40, 8),
        "flags": (0x48, 4),
        "report_data": (0x50, 64),
        "measurement": (0x90, 48),
        "host_data": (0xC0, 32),
        "id_key_digest": (0xE0, 48),
        "author_key_digest": (0x110, 48),
        "report_id": (0x140, 32),
        "report_id_ma": (0x160, 32),
        "reported_tcb": (0x180, 8),
        "cpuid": (0x188, 3),
        "chip_id": (0x1A0, 64),
        "committed_tcb": (0x1E0, 8),
        "current_version": (0x1E8, 3),
        "committed_version": (0x1EC, 3),
        "launch_tcb": (0x1F0, 8),
        "launch_mitigations": (0x1F8, 8),
        "current_mitigations": (0x200, 8),
    }
    data = right_plan().report.make()
    found = {name: data[offset : offset + size] for name, (offset, size) in places.items()}
    wanted = {name: _bytes(FIELDS[name], size) for name, (_, size) in places.items()}
    assert found == wanted
    assert set(places) == set(FIELDS) - {"version"}


def _bytes(value: object, size: int) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple):
        return bytes(value)
    return int(getattr(value, "raw", value)).to_bytes(size, "little")  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF], ids=hex)
def test_no_byte_of_a_report_is_irrelevant(right: Case, bits: int) -> None:
    """One byte changed anywhere, signature and reserved bytes included, and nothing is believed any more."""
    whole = right.evidence.report
    for position in range(REPORT_BYTES):
        report = bytearray(whole)
        report[position] ^= bits
        with pytest.raises(EvidenceError):
            right.with_bytes(report=bytes(report)).judge()


@given(data=st.binary(max_size=2 * REPORT_BYTES))
def test_any_bytes_are_no_report(data: bytes) -> None:
    with pytest.raises(EvidenceMalformedError) as caught:
        Report.parse(data)
    assert caught.value.step == "evidence.report"


@given(
    version=st.sampled_from((*VERSIONS, 4)),
    patches=st.lists(st.tuples(st.integers(0, REPORT_BYTES - 1), st.integers(0, 255)), max_size=8),
)
def test_whatever_is_read_is_written_again(version: int, patches: list[tuple[int, int]]) -> None:
    """No two reports that differ in a byte are read as the same one."""
    data = bytearray(right_plan(version=3).report.make())
    data[0] = version
    for position, value in patches:
        data[position] = value
    try:
        report = Report.parse(bytes(data))
    except EvidenceMalformedError:
        return
    assert report.to_bytes() == bytes(data)
