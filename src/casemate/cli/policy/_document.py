"""Reading a policy that a command is to work with: from a file, or from a custodian."""

from __future__ import annotations

from pathlib import Path

from casemate.cli._files import read_bytes
from casemate.client.custodian import CustodianClient
from casemate.errors import PolicySyntaxError
from casemate.policy import source
from casemate.policy.model import PolicyDocument, parse_document
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire import canonical, dsse
from casemate.wire.policies import Submission

__all__ = ["load", "newest"]


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


def newest(client: CustodianClient, genesis: str) -> PolicyDocument:
    """The version that counts there now."""
    payload, _ = dsse.open_envelope(client.policy(genesis).submission, dsse.POLICY_TYPE)
    return parse_document(canonical.parse_model(Submission, payload, what="submission").document, SCHEMAS)
