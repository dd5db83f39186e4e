"""Writes every case as a vector: `python -m casemate.testing.intel spec/vectors` (spec/vectors/tdx/README.md says how
they look). Each run writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from casemate.attestation.expectations import hexadecimal
from casemate.testing.intel.cases import RIGHT, WRONG, Case, case
from casemate.testing.parts import Parts
from casemate.wire.fields import format_time

__all__ = ["main"]

_KINDS: Final = ("quotes", "logs", "certificates", "lists", "documents")


def main(folder: Path) -> None:
    """Below the folder, one for each platform."""
    for tdx, platform in ((True, "tdx"), (False, "sgx")):
        parts = Parts(folder / platform, _KINDS)
        for name in RIGHT[tdx] + WRONG[tdx]:
            parts.case(name, _vector(case(name, tdx=tdx), parts))


def _vector(made: Case, parts: Parts) -> dict[str, Any]:
    plan, name = made.plan, made.name
    evidence, endorsements, expected = plan.evidence(), plan.endorsements(), plan.expected()
    return {
        "name": name,
        "quote": parts.put(evidence.report, "quotes", f"{name}.bin"),
        "log": None if evidence.log is None else parts.put(evidence.log, "logs", f"{name}.bin"),
        "root": parts.put(plan.root, "certificates", "root.der"),
        "certificates": parts.put(endorsements.certificates, "certificates", f"{name}.pem"),
        "lists": [parts.put(data, "lists", f"{name}.{at}.crl") for at, data in enumerate(endorsements.crls)],
        "documents": [
            parts.put(one, "documents", f"{name}.{at}.json") for at, one in enumerate(endorsements.documents)
        ],
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
