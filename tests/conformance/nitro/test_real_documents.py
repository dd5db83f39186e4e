"""Documents of real enclaves, from public repositories: read in place, or the tests are skipped."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from casemate.attestation.expectations import Unasked
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EndorsementError, EvidenceError, EvidenceRejectedError, SignatureError
from casemate.wire.evidence import Endorsements, Evidence

FOLDER: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "nitro"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the vectors of real evidence are not here")

_PUBLIC: Final = "attestation-doc-validation"
PRODUCTION: Final = {
    f"{_PUBLIC}/valid-attestation-doc-bytes": datetime(2022, 10, 13, 8, 58, 2, tzinfo=UTC),
    "derived/evervault-prod-2023-01-18.cose": None,
}
DEBUG: Final = {
    f"{_PUBLIC}/debug-mode-attestation-doc-bytes": datetime(2022, 10, 12, 13, 50, 6, tzinfo=UTC),
    f"{_PUBLIC}/valid-attestation-doc-base64": datetime(2023, 9, 18, 15, 3, 30, tzinfo=UTC),
    "derived/evervault-debug-2023-01-18.cose": None,
}


def read(name: str) -> bytes:
    data = (FOLDER / name).read_bytes()
    return base64.b64decode(data) if name.endswith("base64") else data


def judge(data: bytes, at: datetime | None, *, manifest: bytes | Unasked = Unasked.UNASKED) -> VerifiedClaims:
    """At a time, or at that of the document."""
    from casemate.attestation.platforms.nitro.document import Document

    return verify(
        Evidence(format="nitro-document", report=data),
        Endorsements(certificates=b"", crls=[]),
        roots=Roots(aws=True),
        at=at or Document.parse(data).made,
        expected=Expected(report_data=Unasked.UNASKED, manifest=manifest),
    )


@pytest.mark.parametrize("name", PRODUCTION)
def test_a_genuine_document_verifies(name: str) -> None:
    claims = judge(read(name), PRODUCTION[name])
    assert claims.platform == "nitro"
    assert claims.runtime_measurement != f"sha384:{'0' * 96}"
    assert str(claims.values["module"]).startswith("i-")


def test_the_image_was_signed_by_somebody() -> None:
    name = f"{_PUBLIC}/valid-attestation-doc-bytes"
    assert "8" in judge(read(name), PRODUCTION[name]).details["pcrs"]


@pytest.mark.parametrize("name", DEBUG)
def test_an_enclave_in_debug_mode_is_refused(name: str) -> None:
    with pytest.raises(EvidenceRejectedError) as caught:
        judge(read(name), DEBUG[name])
    assert caught.value.step == "evidence.debug"


@pytest.mark.parametrize("name", [*PRODUCTION, *DEBUG])
def test_three_hours_later_each_is_refused(name: str) -> None:
    from casemate.attestation.platforms.nitro.document import Document

    data = read(name)
    with pytest.raises(EndorsementError) as caught:
        judge(data, Document.parse(data).made + timedelta(hours=3, seconds=5))
    assert caught.value.step == "evidence.time"


def test_a_document_that_binds_no_manifest_is_refused_for_each() -> None:
    name = f"{_PUBLIC}/valid-attestation-doc-bytes"
    with pytest.raises(EvidenceRejectedError) as caught:
        judge(read(name), PRODUCTION[name], manifest=bytes(32))
    assert caught.value.step == "evidence.manifest"


def test_a_flipped_bit_in_each_byte_is_noticed() -> None:
    name = f"{_PUBLIC}/valid-attestation-doc-bytes"
    data = read(name)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises((EvidenceError, EndorsementError, SignatureError)):
            judge(bytes(changed), PRODUCTION[name])
