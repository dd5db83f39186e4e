"""Evidence is held against what its caller expects: manifest and report data, each at its own step."""

from __future__ import annotations

import pytest

from casemate.attestation.expectations import Expected, Unasked, check_expected, hexadecimal
from casemate.errors import EvidenceRejectedError

MANIFEST, DATA = b"m" * 32, b"d" * 64
EXPECTED = Expected(report_data=DATA, manifest=MANIFEST)


def padded(value: bytes) -> bytes:
    return value + b"\0"


def refused(expected: Expected, manifest: bytes, report_data: bytes, step: str = "evidence.manifest") -> str | None:
    with pytest.raises(EvidenceRejectedError) as caught:
        check_expected(expected, manifest=manifest, report_data=report_data, step=step)
    of_manifest = (hexadecimal(expected.manifest), manifest.hex())
    of_data = (hexadecimal(expected.report_data), report_data.hex())
    told = of_data if caught.value.step == "evidence.report_data" else of_manifest
    assert (caught.value.expected, caught.value.got) == told
    return caught.value.step


def test_what_is_expected_passes() -> None:
    check_expected(EXPECTED, manifest=MANIFEST, report_data=DATA)


@pytest.mark.parametrize("other", [b"", b"o" * 32, MANIFEST[:-1], MANIFEST + b"\0", bytes(32)])
def test_another_manifest_is_refused_first_and_at_the_step_of_its_platform(other: bytes) -> None:
    assert refused(EXPECTED, other, b"") == "evidence.manifest"
    assert refused(EXPECTED, other, DATA, "evidence.host_data") == "evidence.host_data"


@pytest.mark.parametrize("other", [b"", b"o" * 64, DATA[:-1], DATA + b"\0", bytes(64)])
def test_other_report_data_are_refused(other: bytes) -> None:
    assert refused(EXPECTED, MANIFEST, other, "evidence.host_data") == "evidence.report_data"


def test_only_what_nobody_asks_for_is_not_compared() -> None:
    unasked = Expected(report_data=Unasked.UNASKED, manifest=Unasked.UNASKED)
    check_expected(unasked, manifest=b"", report_data=b"anything", bound=padded, said=padded)
    assert refused(Expected(report_data=DATA, manifest=Unasked.UNASKED), b"", b"") == "evidence.report_data"
    assert refused(Expected(report_data=Unasked.UNASKED, manifest=MANIFEST), b"", b"") == "evidence.manifest"


def test_what_is_expected_is_compared_in_the_form_of_the_platform() -> None:
    held = {"manifest": padded(MANIFEST), "report_data": padded(DATA)}
    check_expected(EXPECTED, **held, bound=padded, said=padded)
    for forms, step in (({"said": padded}, "evidence.manifest"), ({"bound": padded}, "evidence.report_data")):
        with pytest.raises(EvidenceRejectedError) as caught:
            check_expected(EXPECTED, **held, **forms)
        assert caught.value.step == step
