"""Writes every case as a vector: `python -m casemate.testing.amd FOLDER` (spec/vectors/sev-snp/README.md says how they
look). Keys are made for it and forgotten, so each run writes other bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from casemate.attestation.expectations import hexadecimal
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    VCEK,
    VLEK,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.errors import EndorsementError
from casemate.testing.amd.cases import RIGHT, WRONG, Case, case
from casemate.testing.parts import Parts
from casemate.wire.fields import format_time

_ROLES: Final = {ARK: "ark", ASK: "ask", VCEK: "vcek", VLEK: "vlek"}


def main(folder: Path) -> None:
    parts = Parts(folder, ("reports", "certificates", "tables", "lists"))
    for name in RIGHT + WRONG:
        parts.case(name, _vector(case(name), parts))


def _vector(made: Case, parts: Parts) -> dict[str, Any]:
    lists = made.endorsements.crls
    return {
        "name": made.name,
        "report": parts.put(made.evidence.report, "reports", f"{made.name}.bin"),
        **_certificates(made, parts),
        "lists": [parts.put(data, "lists", f"{made.name}.{index}.crl") for index, data in enumerate(lists)],
        "roots": sorted(made.roots.simulated),
        "at": format_time(made.at),
        "expected": {
            "report_data": hexadecimal(made.expected.report_data),
            "host_data": hexadecimal(made.expected.manifest),
            "max_vmpl": made.expected.max_vmpl,
            "crl_floors": dict(made.expected.floors),
        },
        "outcome": _outcome(made),
    }


def _certificates(made: Case, parts: Parts) -> dict[str, Any]:
    """Each certificate on its own, where the table is nothing but these; else the table."""
    table = made.endorsements.certificates
    try:
        entries = parse_certificate_table(table)
    except EndorsementError:
        entries = {}
    if set(entries) <= set(_ROLES) and build_certificate_table(entries) == table:
        return {"certificates": {_ROLES[guid]: _certificate(made, parts, guid, entries[guid]) for guid in entries}}
    return {"table": parts.put(table, "tables", f"{made.name}.bin")}


def _certificate(made: Case, parts: Parts, guid: UUID, data: bytes) -> str:
    ending = "pem" if data.startswith(b"-----") else "der"
    return parts.put(data, "certificates", f"{made.name}.{_ROLES[guid]}.{ending}")


def _outcome(made: Case) -> dict[str, Any]:
    if made.error is None:
        return {"claims": made.claims}
    return {"refused": {"code": made.error.code, "step": made.step}}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
