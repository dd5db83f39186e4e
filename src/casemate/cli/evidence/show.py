from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.eventlog import fields_of_log
from casemate.attestation.reading import evidence_in
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.wire.results import is_token, split_token


def show(
    file: Annotated[
        Path,
        typer.Argument(
            help="Evidence: raw, as hex, as base64, or in our JSON; or a result token. - is standard input."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show everything that a piece of evidence, or a result (EAR), says. Nothing of it is verified.

    Example: `casemate evidence show report.bin`
    """
    data = read_bytes(file)
    if is_token(data):
        fields, how = _token(data), "verify-result"
    else:
        fields, how = _evidence(data), "verify"
    emit(
        fields,
        as_json=as_json,
        text="\n".join([*_lines(fields), "", f"Nothing of this is verified: casemate evidence {how}"]),
    )


def _evidence(data: bytes) -> dict[str, Any]:
    evidence = evidence_in(data)
    known = FORMATS[evidence.format]
    fields = {"platform": known.platform, "format": evidence.format, **known.fields(evidence.report)}
    return fields | (fields_of_log(evidence.log) if evidence.log is not None else {})


def _token(data: bytes) -> dict[str, Any]:
    token = split_token(data.decode("ascii", "replace").strip())
    return {"kind": "attestation result (EAR)", "header": token.header.to_object(), **token.result().to_object()}


def _lines(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """One field a line; what is inside of another is named by both."""
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
