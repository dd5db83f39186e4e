from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import read_text
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
    text = read_text(file)
    findings = source.check(text, SCHEMAS)
    if not findings:
        document = source.load(text, SCHEMAS)
        emit({"policy": document.policy, "version": document.version, "findings": []}, as_json=as_json,
             text=f"{file}: good; version {document.version}")  # fmt: skip
        return
    rows = [
        {"line": item.line, "column": item.column, "message": item.message, "remedy": item.remedy} for item in findings
    ]
    lines = [f"{file}:{r['line']}:{r['column']}: {r['message']}" + (f"\n    {r['remedy']}" if r["remedy"] else "")
             for r in rows]  # fmt: skip
    emit({"findings": rows}, as_json=as_json, text="\n".join(lines))
    raise typer.Exit(PolicySyntaxError.exit_code)
