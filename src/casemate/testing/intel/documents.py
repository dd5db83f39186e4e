"""Documents of the made-up Intel: which TCB is how good, for one kind of machine and one quoting enclave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from casemate.testing.intel.signing import key_of, plain_signature

__all__ = ["ADVISORY", "STATUSES", "identity", "info", "sent"]

STATUSES: Final = {
    7: "UpToDate",
    6: "SWHardeningNeeded",
    5: "ConfigurationNeeded",
    4: "ConfigurationAndSWHardeningNeeded",
    3: "OutOfDate",
    2: "OutOfDateConfigurationNeeded",
    1: "Revoked",
}
"""By the security version of which a machine needs all, in all its components."""

ADVISORY: Final = "INTEL-SA-{:05}"
_DATE: Final = "2026-01-01T00:00:00Z"
_ISSUED: Final = "2026-05-20T00:00:00Z"
_NEXT: Final = "2026-06-19T00:00:00Z"


def info(fmspc: bytes, *, tdx: bool) -> dict[str, Any]:
    """The inner object of a TCB info."""
    modules = (
        {
            "tdxModule": {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8},
            "tdxModuleIdentities": [_module("TDX_03", (5, 3)), _module("TDX_01", (5, 3, 1))],
        }
        if tdx
        else {}
    )
    return {
        "id": "TDX" if tdx else "SGX",
        "version": 3,
        "issueDate": _ISSUED,
        "nextUpdate": _NEXT,
        "fmspc": fmspc.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 20,
        **modules,
        "tcbLevels": [_level(version, status, tdx=tdx) for version, status in STATUSES.items()],
    }


def identity(signer: bytes, product: int, *, tdx: bool) -> dict[str, Any]:
    """The inner object of an enclave identity."""
    return {
        "id": "TD_QE" if tdx else "QE",
        "version": 2,
        "issueDate": _ISSUED,
        "nextUpdate": _NEXT,
        "tcbEvaluationDataNumber": 20,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": signer.hex().upper(),
        "isvprodid": product,
        "tcbLevels": _isv_levels((8, 6, 4), 800),
    }


def sent(name: str, content: dict[str, Any], signer: str) -> bytes:
    """As Intel's service sends it; `signer` is a key's name."""
    text = json.dumps(content, separators=(",", ":"))
    return f'{{"{name}":{text},"signature":"{plain_signature(key_of(signer), text.encode()).hex()}"}}'.encode()


def _level(version: int, status: str, *, tdx: bool) -> dict[str, Any]:
    components = [{"svn": version, "category": "BIOS", "type": "made up"}] * 16
    # What the module's identity judges is not asked for here, except of modules of version 0.
    tdx_components = {"tdxtcbcomponents": [{"svn": 5}, {"svn": 0}] + [{"svn": version}] * 14} if tdx else {}
    return {
        "tcb": {"sgxtcbcomponents": components, "pcesvn": version, **tdx_components},
        "tcbDate": _DATE,
        "tcbStatus": status,
        **({} if status == "UpToDate" else {"advisoryIDs": [ADVISORY.format(version)]}),
    }


def _module(name: str, versions: Sequence[int]) -> dict[str, Any]:
    return {
        "id": name,
        "mrsigner": "00" * 48,
        "attributes": "00" * 8,
        "attributesMask": "FF" * 8,
        "tcbLevels": _isv_levels(versions, 500),
    }


def _isv_levels(versions: Sequence[int], advisory: int) -> list[dict[str, Any]]:
    """Up to date, out of date, revoked."""
    words = ("UpToDate", "OutOfDate", "Revoked")
    return [
        {
            "tcb": {"isvsvn": version},
            "tcbDate": _DATE,
            "tcbStatus": word,
            **({} if word == "UpToDate" else {"advisoryIDs": [ADVISORY.format(advisory + version)]}),
        }
        for version, word in zip(versions, words, strict=False)
    ]
