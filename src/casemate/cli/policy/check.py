from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.errors import PolicySyntaxError
from casemate.policy import source
from casemate.secrets.catalogue import SCHEMAS


def check(
    file: Annotated[Path, typer.Argument(help="A policy file (YAML).")],
    as_json: Json = False,
) -> None:
    """Check a policy file; every finding with line, column and what to write instead.

    Example: `casemate policy check records.yaml`
    """
    data = read_bytes(file)
    findings = source.check(data, SCHEMAS)
    if not findings:
        document = source.load(data, SCHEMAS)
        emit({"policy": document.policy, "version": document.version, "findings": []}, as_json=as_json,
             text=f"{file}: good; version {document.version}")  # fmt: skip
        return
    rows = [
        {"line": item.line, "column": item.column, "message": item.message, "remedy": item.remedy} for item in findings
    ]
    emit({"findings": rows}, as_json=as_json, text="\n".join(_text(file, item) for item in findings))
    raise typer.Exit(PolicySyntaxError.exit_code)


def _text(file: Path, finding: source.Finding) -> str:
    place = f"{file}:{finding.line}:{finding.column}: {finding.message}"
    return f"{place}\n    {finding.remedy}" if finding.remedy else place
