"""Writes every case as a vector: `python -m casemate.testing.nitro FOLDER` (spec/vectors/nitro/README.md says how they
look). Each run writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from casemate.testing.nitro.cases import RIGHT, WRONG, Case, case
from casemate.testing.nitro.plan import MANIFEST, REPORT_DATA
from casemate.testing.parts import Parts
from casemate.wire.fields import format_time


def main(folder: Path) -> None:
    parts = Parts(folder, ("documents", "roots"))
    for name in RIGHT + WRONG:
        parts.case(name, _vector(case(name), parts))


def _vector(made: Case, parts: Parts) -> dict[str, Any]:
    return {
        "name": made.name,
        "document": parts.put(made.document, "documents", f"{made.name}.cose"),
        "root": parts.put(made.root, "roots", f"{made.name}.der"),
        "at": format_time(made.at),
        "expected": {"report_data": REPORT_DATA.hex(), "manifest": MANIFEST.hex()},
        "outcome": "verified" if made.error is None else {"refused": {"code": made.error.code, "step": made.step}},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
