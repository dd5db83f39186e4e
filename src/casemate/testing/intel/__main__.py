"""Writes every case as a vector: `python -m casemate.testing.intel spec/vectors` (spec/vectors/tdx/README.md says how
they look). Each run writes the same bytes.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from casemate.attestation.expectations import hexadecimal
from casemate.testing.intel.cases import RIGHT, WRONG, Case, case
from casemate.wire.fields import format_time

__all__ = ["files", "main"]

_KINDS: Final = ("cases", "quotes", "logs", "certificates", "lists", "documents")
_NAMES: Final = {True: "tdx", False: "sgx"}


class _Parts:
    """Files of one folder; equal bytes are there once, under the name of the case that had them first."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self._known: dict[bytes, str] = {}

    def put(self, data: bytes, path: str) -> str:
        if data not in self._known:
            self.content[path] = data
            self._known[data] = path
        return self._known[data]


def files(*, tdx: bool) -> Mapping[str, bytes]:
    """Path in the folder of the platform → content."""
    parts = _Parts()
    for name in RIGHT[tdx] + WRONG[tdx]:
        vector = _vector(case(name, tdx=tdx), parts)
        parts.content[f"cases/{name}.json"] = (json.dumps(vector, indent=1, ensure_ascii=False) + "\n").encode()
    return parts.content


def main(folder: Path) -> None:
    for tdx, platform in _NAMES.items():
        for kind in _KINDS:
            shutil.rmtree(folder / platform / kind, ignore_errors=True)
        for path, content in files(tdx=tdx).items():
            (folder / platform / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / platform / path).write_bytes(content)


def _vector(made: Case, parts: _Parts) -> dict[str, Any]:
    plan, name = made.plan, made.name
    evidence, endorsements, expected = plan.evidence(), plan.endorsements(), plan.expected()
    return {
        "name": name,
        "quote": parts.put(evidence.report, f"quotes/{name}.bin"),
        "log": None if evidence.log is None else parts.put(evidence.log, f"logs/{name}.bin"),
        "root": parts.put(plan.root, "certificates/root.der"),
        "certificates": parts.put(endorsements.certificates, f"certificates/{name}.pem"),
        "lists": [parts.put(data, f"lists/{name}.{at}.crl") for at, data in enumerate(endorsements.crls)],
        "documents": [parts.put(data, f"documents/{name}.{at}.json") for at, data in enumerate(endorsements.documents)],
        "at": format_time(plan.at),
        "expected": {
            "report_data": hexadecimal(expected.report_data),
            "manifest": hexadecimal(expected.manifest),
            "floors": dict(expected.floors),
        },
        "outcome": _outcome(made),
    }


def _outcome(made: Case) -> dict[str, Any]:
    if made.error is None:
        return {"claims": {"tcb_status": made.status, "advisories": list(made.advisories)}}
    return {"refused": {"code": made.error.code, "step": made.step}}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
