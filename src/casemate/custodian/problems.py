"""Refusals: the exception that routes raise, every code there is, and how errors of other rooms become one.

Who learns what is decided here and nowhere else (spec/protocol.md, "Refusals"): `step` and `got` are set only by the
release of a workload whose evidence verified and for its leases, `newest` and `detail` only for what the caller itself
signed.
"""

from __future__ import annotations

from typing import Final

from casemate.errors import (
    CasemateError,
    ConflictError,
    InputError,
    NotAuthorisedError,
    PolicyError,
    SignatureError,
)
from casemate.wire.problem import PROBLEM_URI, Problem

__all__ = ["CODES", "Refusal", "of_submission"]

CODES: Final[dict[str, tuple[int, str]]] = {
    "request.malformed": (400, "The request is not of the documented form"),
    "request.unsigned": (401, "The request is not signed as documented"),
    "request.stale": (401, "The request's signature is too old or from the future"),
    "nonce.refused": (403, "The nonce is not one that can be used"),
    "evidence.refused": (403, "The evidence is not believed"),
    "policy.denied": (403, "The policy does not admit this workload"),
    "policy.not_authorised": (403, "The signatures do not satisfy the access rule"),
    "lease.revoked": (403, "The policy no longer admits this workload"),
    "request.not_found": (404, "There is no such call"),
    "policy.unknown": (404, "There is no such policy, or not for this key"),
    "decision.unknown": (404, "There is no such decision, or not for this key"),
    "volume.refused": (403, "The anchor of this volume does not move like that"),
    "volume.unknown": (404, "There is no such volume, or not for this lease"),
    "lease.unknown": (404, "There is no such lease, or it ended"),
    "request.method": (405, "This call has another method"),
    "request.timeout": (408, "The request took too long to arrive"),
    "policy.conflict": (409, "Something else was there first"),
    "volume.fenced": (409, "Another writer has this volume, or none: take a new fence"),
    "volume.read": (409, "Others read this volume, and would lose it under another key"),
    "volume.rekeying": (409, "The volume is being written anew under another key"),
    "volume.rekeyed": (409, "The volume has another key since this lease began: ask for it anew"),
    "volume.held": (409, "The lease of another writer has not ended yet"),
    "lease.sequence": (409, "Not the next sequence number"),
    "request.too_large": (413, "The request is over a documented limit"),
    "policy.invalid": (422, "The policy says something that cannot be"),
    "rate.limited": (429, "Too many requests from here"),
    "internal": (500, "The custodian failed; its log says why under this id"),
    "service.busy": (503, "The custodian has too much to do"),
    "service.unready": (503, "The custodian cannot serve now"),
}
"""Code → status and title. A code means one thing for ever."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """A request that is answered with a problem document. Raised by routes and the signing layer alone."""

    def __init__(
        self,
        code: str,
        *,
        id: str | None = None,  # noqa: A002 - the field's name in the problem document
        step: str | None = None,
        got: str | None = None,
        newest: str | None = None,
        detail: str | None = None,
        wait: int | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.id = id
        self.step = step
        self.got = got
        self.newest = newest
        self.detail = detail
        self.wait = wait
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(retry_after)

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def problem(self, fresh_id: str) -> Problem:
        """The document. `fresh_id` is used where the refusal has no decision's id."""
        status, title = CODES[self.code]
        return Problem(
            type=PROBLEM_URI + self.code,
            title=title,
            status=status,
            code=self.code,
            id=self.id or fresh_id,
            step=self.step,
            got=self.got,
            newest=self.newest,
            detail=self.detail,
            wait=self.wait,
        )


def of_submission(error: CasemateError) -> Refusal:
    """The refusal of a policy submission. What is wrong with it may be told: the caller wrote it."""
    detail = error.message if error.remedy is None else f"{error.message}; {error.remedy}"
    if isinstance(error, ConflictError):
        return Refusal("policy.conflict", step=error.step, detail=detail, newest=_digest(error.got))
    if isinstance(error, NotAuthorisedError | SignatureError):
        return Refusal("policy.not_authorised", step=error.step, detail=detail)
    if isinstance(error, PolicyError):
        return Refusal("policy.invalid", step=error.step, detail=detail)
    if isinstance(error, InputError):
        return Refusal("request.malformed", step=error.step, detail=detail)
    raise error


def _digest(text: str | None) -> str | None:
    return text if text is not None and text.startswith("sha256:") and len(text) == 71 else None
