"""A service of a policy, named as FILE#SERVICE."""

from __future__ import annotations

from pathlib import Path

from casemate.cli.policy._document import load
from casemate.errors import UsageError
from casemate.policy.model import PolicyDocument, Service

__all__ = ["service_given"]


def service_given(option: str, text: str) -> tuple[PolicyDocument, Service]:
    """What an option of that name names. Errors: UsageError, PolicyError."""
    file, _, name = text.rpartition("#")
    if not file or not name:
        raise UsageError(
            f"{option} names no service",
            expected="FILE#SERVICE",
            got=text[:200] or "nothing",
            remedy="name a policy's file and one of its services, as records.yaml#api",
        )
    document = load(Path(file))
    if name not in document.services:
        raise UsageError(
            f"{file} has no service {name[:80]}",
            expected=" or ".join(sorted(document.services)) or "none",
            got=name[:80],
        )
    return document, document.services[name]
