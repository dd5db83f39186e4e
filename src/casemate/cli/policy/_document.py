"""Reading a policy file that a command is to work with."""

from __future__ import annotations

from pathlib import Path

from casemate.cli._files import read_bytes
from casemate.errors import PolicySyntaxError
from casemate.policy import source
from casemate.policy.model import PolicyDocument
from casemate.secrets.catalogue import SCHEMAS

__all__ = ["load"]


def load(file: Path) -> PolicyDocument:
    """The policy in `file`; the first finding as an error that says where."""
    findings = source.check(data := read_bytes(file), SCHEMAS)
    if not findings:
        return source.load(data, SCHEMAS)
    first, more = findings[0], len(findings) - 1
    also = f" (and {more} more: casemate policy check {file})" if more else ""
    raise PolicySyntaxError(
        f"{file}:{first.line}:{first.column}: {first.message}{also}",
        line=first.line,
        column=first.column,
        remedy=first.remedy,
    )
