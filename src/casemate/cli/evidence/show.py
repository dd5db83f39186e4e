from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.eventlog import fields_of_log
from casemate.attestation.reading import evidence_in
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit


def show(
    file: Annotated[
        Path, typer.Argument(help="Evidence: raw, as hex, as base64, or in our JSON; - is standard input.")
    ],
    as_json: Json = False,
) -> None:
    """Show everything that a piece of evidence says. Nothing of it is verified.

    Example: `casemate evidence show report.bin`
    """
    evidence = evidence_in(read_bytes(file))
    known = FORMATS[evidence.format]
    fields = {"platform": known.platform, "format": evidence.format, **known.fields(evidence.report)}
    if evidence.log is not None:
        fields |= fields_of_log(evidence.log)
    lines = [f"{name}: {_text(value)}" for name, value in fields.items()]
    emit(fields, as_json=as_json, text="\n".join([*lines, "", "Nothing of this is verified: casemate evidence verify"]))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
