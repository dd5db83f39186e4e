from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli import _custodians
from casemate.cli._custodians import As, Custodian
from casemate.cli._output import Json, emit
from casemate.wire.policies import DecisionAnswer, StepRecord


def why(
    decision: Annotated[str, typer.Argument(help="A decision's id, as a refusal prints it.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say why a workload was admitted or refused; for those with `read` on the policy.

    Example: `casemate why 01JD3W…`
    """
    with _custodians.connect(custodian, who) as client:
        answer = client.decision(decision)
    emit(answer.to_object(), as_json=as_json, text=_text(answer))


def _text(answer: DecisionAnswer) -> str:
    facts = {
        "decision": answer.id,
        "outcome": answer.outcome,
        "policy": f"{answer.policy}#{answer.service}",
        "version": answer.version,
        "platform": answer.platform,
        "runtime": answer.runtime,
        "manifest": answer.manifest,
        "step": answer.step,
        "expected": answer.expected,
        "got": answer.got,
        "remedy": answer.remedy,
    }
    lines = [f"{name:>10}  {value}" for name, value in facts.items() if value is not None]
    return "\n".join([*lines, "", *(_step(step) for step in answer.steps)]).rstrip()


def _step(step: StepRecord) -> str:
    mark = {True: "held", False: "FAILED", None: "not reached"}[step.held]
    return f"{mark:>12}  {step.step}"
