"""Problem documents (RFC 9457) as errors. Only after the answer verified."""

from __future__ import annotations

from casemate.errors import CasemateError, ConflictError, InputError, NotFoundError, RefusedError, UnreachableError
from casemate.wire import canonical
from casemate.wire.problem import Problem

__all__ = ["refusal"]


def refusal(status: int, body: bytes) -> CasemateError:
    try:
        problem = canonical.parse_model(Problem, canonical.decode(body), what="problem")
    except InputError as error:
        return UnreachableError(
            f"the custodian answered {status} in a way that is not understood: {error.message}",
            remedy="are client and custodian of the same release?",
        )
    told = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if problem.wait is not None:
        told = f"{told}; this may pass in {problem.wait} s"
    if problem.newest is not None:
        return ConflictError(
            "there is a newer version of this policy",
            step=problem.step or "submission.predecessor",
            got=problem.newest,
            remedy="look at it (policy show), merge, and name it as predecessor",
        )
    if problem.code == "policy.conflict":
        return ConflictError(f"the custodian refused: {told}", step=problem.step)
    if status == 404:
        return NotFoundError(told, step=problem.code)
    if status == 429 or status >= 500:
        return UnreachableError(
            f"the custodian is busy or failing: {told}",
            step=problem.code,
            got=problem.id,
            remedy="try again in a moment; the custodian's log says more under this id",
        )
    return RefusedError(
        f"the custodian refused: {told}",
        problem=problem.code,
        status=status,
        decision=problem.id if problem.code in _DECISIONS else None,
        step=problem.step,
        got=problem.got,
        remedy=_REMEDIES.get(problem.code),
    )


_DECISIONS = frozenset({"policy.denied", "lease.revoked"})
"""Refusals whose id `casemate why` explains; others have one for the custodian's log."""

_REMEDIES = {
    "volume.read": "end the mounts and the services that read it, then try again",
    "volume.rekeying": "wait until it ends; where it was interrupted, until its lease has ended",
    "request.stale": "this machine's clock and the custodian's are more than five minutes apart",
}
