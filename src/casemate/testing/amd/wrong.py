"""One way to be wrong, and small changes of plans that the ways are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from casemate.errors import EvidenceError
from casemate.testing.amd.plan import Plan, right

__all__ = ["Change", "Wrong", "fields", "intermediate", "leaf", "lists", "only_list", "patches", "root"]

Change = Callable[[Plan], Plan]


@dataclass(frozen=True)
class Wrong:
    """`change` makes `base()`, which is right, wrong; it is refused with `error` at `step`."""

    change: Change
    error: type[EvidenceError]
    step: str
    base: Callable[[], Plan] = right


def fields(**changed: Any) -> Change:
    """The chip signs other values."""
    return lambda plan: replace(plan, report=replace(plan.report, fields={**plan.report.fields, **changed}))


def patches(*changed: tuple[int, bytes]) -> Change:
    """The chip signs other bytes."""
    return lambda plan: replace(plan, report=replace(plan.report, patches=changed))


def root(**changed: Any) -> Change:
    return lambda plan: replace(plan, ark=replace(plan.ark, **changed))


def intermediate(**changed: Any) -> Change:
    return lambda plan: replace(plan, intermediate=replace(plan.intermediate, **changed))


def leaf(**changed: Any) -> Change:
    return lambda plan: replace(plan, leaf=replace(plan.leaf, **changed))


def only_list(**changed: Any) -> Change:
    return lambda plan: replace(plan, lists=(replace(plan.lists[0], **changed),))


def lists(*numbers: int) -> Change:
    """Several lists, that differ in their numbers."""
    return lambda plan: replace(plan, lists=[replace(plan.lists[0], number=number) for number in numbers])
