"""One way to be wrong, and small changes of plans that the ways are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from casemate.errors import (
    EndorsementError,
    EvidenceError,
    EvidenceMalformedError,
    EvidenceRejectedError,
    SignatureError,
)
from casemate.testing.intel.bodies import QUOTING, MachinePlan
from casemate.testing.intel.plan import Change, Plan, with_machine

__all__ = [
    "AUTHORITY",
    "LEAF",
    "ROOT",
    "Wrong",
    "after",
    "body",
    "certificate",
    "endorsement",
    "identity",
    "info",
    "lists",
    "machine",
    "malformed",
    "quote",
    "quoting",
    "rejected",
    "signature",
    "signer",
    "then",
]

ROOT, AUTHORITY, LEAF = range(3)
_HEADER: Final = 48
_DESCRIPTOR: Final = 6


@dataclass(frozen=True)
class Wrong:
    """`change` makes what is right wrong; it is refused with `error` at `step`."""

    change: Change
    error: type[EvidenceError]
    step: str


def malformed(change: Change) -> Wrong:
    return Wrong(change, EvidenceMalformedError, "evidence.quote")


def endorsement(step: str, change: Change) -> Wrong:
    return Wrong(change, EndorsementError, f"evidence.{step}")


def rejected(step: str, change: Change) -> Wrong:
    return Wrong(change, EvidenceRejectedError, f"evidence.{step}")


def signature(step: str, change: Change) -> Wrong:
    return Wrong(change, SignatureError, f"evidence.{step}")


def then(*changes: Change) -> Change:
    def change(plan: Plan) -> Plan:
        for one in changes:
            plan = one(plan)
        return plan

    return change


def quote(**changes: Any) -> Change:
    return lambda plan: replace(plan, quote=replace(plan.quote, **changes))


def body(offset: int, content: bytes) -> Change:
    """Bytes of the report, before it is signed."""

    def change(plan: Plan) -> Plan:
        return replace(plan, quote=replace(plan.quote, body=_put(plan.quote.body, offset, content)))

    return change


def after(offset: int, content: bytes) -> Change:
    """Bytes of the report, after it was signed; negative offsets are from the end of the quote."""

    def change(plan: Plan) -> Plan:
        start = _HEADER if plan.quote.body_kind is None else _HEADER + _DESCRIPTOR
        return quote(whole=lambda data: _put(data, offset + (start if offset >= 0 else len(data)), content))(plan)

    return change


def quoting(**fields: Any) -> Change:
    return quote(quoting={**QUOTING, **fields})


def certificate(place: int, **changes: Any) -> Change:
    def change(plan: Plan) -> Plan:
        chain = list(plan.chain)
        chain[place] = replace(chain[place], **changes)
        return replace(plan, chain=(chain[0], chain[1], chain[2]))

    return change


def machine(**changes: Any) -> Change:
    return lambda plan: with_machine(plan, MachinePlan(**changes))


def signer(**changes: Any) -> Change:
    return lambda plan: replace(plan, signer=replace(plan.signer, **changes))


def lists(place: int, **changes: Any) -> Change:
    """Of the root, or of the machine's authority."""

    def change(plan: Plan) -> Plan:
        made = list(plan.lists)
        made[place] = replace(made[place], **changes)
        return replace(plan, lists=tuple(made))

    return change


def info(**changes: Any) -> Change:
    return lambda plan: replace(plan, info=_changed(plan.info, changes))


def identity(**changes: Any) -> Change:
    return lambda plan: replace(plan, identity=_changed(plan.identity, changes))


def _changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A function makes the new value of the old one; None takes the member away."""
    made = dict(content)
    for name, value in changes.items():
        made[name] = value(made[name]) if isinstance(value, Callable) else value  # type: ignore[arg-type]
    return {name: value for name, value in made.items() if value is not None}


def _put(data: bytes, offset: int, content: bytes) -> bytes:
    return data[:offset] + content + data[offset + len(content) :]
