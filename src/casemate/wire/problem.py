"""Problem documents (RFC 9457) and who learns what (spec/protocol.md, "Refusals")."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from casemate.wire.fields import MAX_INTEGER, Model, Sha256

__all__ = ["PROBLEM_TYPE", "PROBLEM_URI", "Problem"]

PROBLEM_TYPE: Final = "application/problem+json"
PROBLEM_URI: Final = "https://casemate.dev/problems/"


class Problem(Model):
    """`step` and `got` go only to a shield whose evidence verified, `newest` only to whoever may update the policy.

    `detail` is one sentence about what the caller itself sent (a policy's mistake): never about what others did.
    `wait` are seconds after which the same request may be granted.
    """

    type: str
    title: str
    status: int
    code: str
    id: str
    step: str | None = None
    got: str | None = None
    newest: Sha256 | None = None
    detail: str | None = None
    wait: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
