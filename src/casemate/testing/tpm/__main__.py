"""Writes every case as a vector: `python -m casemate.testing.tpm FOLDER` (spec/vectors/tpm/README.md says how they
look). Each run writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from casemate.attestation.expectations import hexadecimal
from casemate.testing.parts import Parts
from casemate.testing.tpm.cases import RIGHT, WRONG, Case, case
from casemate.wire.fields import format_time


def main(folder: Path) -> None:
    parts = Parts(folder, ("reports", "logs", "chains", "lists", "roots"))
    for name in RIGHT + WRONG:
        parts.case(name, _vector(case(name), parts))


def _vector(made: Case, parts: Parts) -> dict[str, Any]:
    log, endorsements = made.evidence.log, made.endorsements
    return {
        "name": made.name,
        "report": parts.put(made.evidence.report, "reports", f"{made.name}.bin"),
        "log": None if log is None else parts.put(log, "logs", f"{made.name}.log"),
        "certificates": parts.put(endorsements.certificates, "chains", f"{made.name}.pem"),
        "lists": [parts.put(data, "lists", f"{made.name}.{index}.crl") for index, data in enumerate(endorsements.crls)],
        "roots": [parts.put(data, "roots", f"{made.name}.der") for data in made.roots],
        "at": format_time(made.at),
        "expected": {
            "report_data": hexadecimal(made.expected.report_data),
            "manifest": hexadecimal(made.expected.manifest),
            "floors": dict(made.expected.floors),
            "excused": sorted(made.expected.excused),
        },
        "outcome": _outcome(made),
    }


def _outcome(made: Case) -> dict[str, Any]:
    if made.error is None:
        return {"claims": dict(made.claims)}
    return {"refused": {"code": made.error.code, "step": made.step}}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
