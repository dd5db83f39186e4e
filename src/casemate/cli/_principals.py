"""Principals as people name them on a command line."""

from __future__ import annotations

import re
from typing import Final

from pydantic import ValidationError

from casemate.cli._home import home
from casemate.client import identities
from casemate.errors import UsageError
from casemate.wire.rules import AtLeastRule, Principal

__all__ = ["at_least", "principals"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def principals(texts: list[str]) -> dict[str, Principal]:
    """`NAME` (an identity here) or `NAME=ed25519:…` (somebody else's key) each; no name twice."""
    found: dict[str, Principal] = {}
    for text in texts:
        name, mark, key = text.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError("not a principal's name", expected="a-z, 0-9, - and _, at most 63", got=name[:80])
        if name in found:
            raise UsageError(f"{name} is named twice", remedy="name each principal once")
        found[name] = _principal(key if mark else identities.load(home() / "identities", name).public)
    return found


def at_least(approvals: int, members: dict[str, Principal]) -> AtLeastRule:
    if not 1 <= approvals <= len(members):
        raise UsageError("that many approvals can never be had", expected=f"1 to {len(members)}", got=str(approvals))
    return AtLeastRule(at_least=approvals, of=list(members))


def _principal(key: str) -> Principal:
    try:
        return Principal(key=key)
    except ValidationError as error:
        raise UsageError(
            "not a public key",
            expected="ed25519: and 43 characters, as `casemate identity show` prints it",
            got=key[:80],
        ) from error
