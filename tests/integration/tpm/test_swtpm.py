"""The TPM in software that the other tests here use."""

from __future__ import annotations

import hashlib

import pytest

from casemate.testing.stage import StageError
from casemate.testing.swtpm import MISSING_SWTPM, swtpm, swtpm_is_there

pytestmark = pytest.mark.skipif(not swtpm_is_there(), reason=MISSING_SWTPM)


def test_a_pcr_is_extended_and_nothing_is_left_behind() -> None:
    value = hashlib.sha256(b"manifest").digest()
    with swtpm() as tpm:
        tpm.tool("tpm2_pcrextend", f"15:sha256={value.hex()}")
        tpm.tool("tpm2_pcrread", "sha256:15", "-o", "value")
        assert tpm.read("value") == hashlib.sha256(bytes(32) + value).digest()
        with pytest.raises(StageError, match="tpm2_pcrextend"):
            tpm.tool("tpm2_pcrextend", "99:sha256=00")
    assert not tpm.folder.exists()
