"""Policies as people write them: YAML, with every finding at its line and column and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from casemate.errors import PolicySyntaxError
from casemate.policy._faults import Fault
from casemate.policy._yaml import Place, StrictYaml, read_yaml
from casemate.policy.model import PolicyDocument, judge
from casemate.wire.secrets import SecretSchemas

__all__ = ["MAX_SOURCE_BYTES", "Finding", "check", "load"]

MAX_SOURCE_BYTES: Final = 1024 * 1024
"""Comments and indentation included; the document itself is half of that (`model.MAX_DOCUMENT_BYTES`)."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`line` and `column` count from 1 and point at the first character of what is wrong."""

    line: int
    column: int
    message: str
    remedy: str | None = None


def load(text: str | bytes, schemas: SecretSchemas) -> PolicyDocument:
    """The policy in `text`; `PolicySyntaxError` for the first finding."""
    document, findings = _read(text, schemas)
    if document is None:
        first = findings[0]
        raise PolicySyntaxError(first.message, line=first.line, column=first.column, remedy=first.remedy)
    return document


def check(text: str | bytes, schemas: SecretSchemas) -> list[Finding]:
    """Everything that is wrong with the policy in `text`, in the order of the text; empty when it is fine."""
    return _read(text, schemas)[1]


def _read(text: str | bytes, schemas: SecretSchemas) -> tuple[PolicyDocument | None, list[Finding]]:
    decoded, refused = _text(text)
    if refused is not None:
        return None, [refused]
    source = read_yaml(decoded)
    findings = [Finding(spot.place.line, spot.place.column, spot.message, spot.remedy) for spot in source.spots]
    if not source.whole:
        return None, _ordered(findings)
    document, faults = judge(source.value, schemas)
    # A place with two findings has one cause: what is wrong with the text explains what is wrong with the value.
    taken = {(finding.line, finding.column) for finding in findings}
    findings += [told for fault in faults if ((told := _finding(fault, source)).line, told.column) not in taken]
    return (None if findings else document), _ordered(findings)


def _text(text: str | bytes) -> tuple[str, Finding | None]:
    """The text within its limit, or why not."""
    try:
        data = text if isinstance(text, bytes) else text.encode()
        decoded = data.decode()
    except UnicodeDecodeError as error:
        place = _offset(error.object, error.start)
        return "", Finding(place.line, place.column, "not UTF-8", "save the file as UTF-8")
    except UnicodeEncodeError:
        return "", Finding(1, 1, "text that is not Unicode", "save the file as UTF-8")
    if len(data) > MAX_SOURCE_BYTES:
        return "", Finding(1, 1, f"a policy file has at most {MAX_SOURCE_BYTES} bytes, this one {len(data)}")
    return decoded, None


def _offset(data: bytes, offset: int) -> Place:
    """Columns count characters; what stands before `offset` is good UTF-8."""
    before = data[:offset].decode()
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _finding(fault: Fault, source: StrictYaml) -> Finding:
    path, on_key = fault.path, fault.on_key
    places = source.keys if on_key else source.values
    while path not in places:
        # A fault in what has no place of its own is told where it belongs to.
        if not path:
            return Finding(1, 1, fault.sentence(), fault.remedy)
        if on_key and path in source.values:
            places = source.values
            continue
        path = path[:-1]
    place = places[path]
    return Finding(place.line, place.column, fault.sentence(), fault.remedy)


def _ordered(findings: list[Finding]) -> list[Finding]:
    return sorted(set(findings), key=lambda finding: (finding.line, finding.column, finding.message))
