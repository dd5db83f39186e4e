from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
from casemate.errors import UsageError
from casemate.wire.policies import DecidedPerson, DecisionAnswer, StepRecord

_ID: Final = re.compile(r"[0-9a-f]{40}")
_OF_GENESIS: Final = 16
"""A decision's id begins with that many hex digits of the policy's genesis, which say where to ask."""


def why(
    decision: Annotated[str, typer.Argument(help="A decision's id, as a refusal prints it.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say why a workload or a person was admitted or refused; for those with `read` on the policy.

    Example: `casemate why 2ef6c8d95d47fee501a2107ba04d7614603998a3`
    """
    if not _ID.fullmatch(decision):
        raise UsageError("not a decision's id", expected="40 hex digits, as the refusal prints them", got=decision[:80])
    with connect(custodian, who, policy=f"sha256:{decision[:_OF_GENESIS]}") as client:
        answer = client.decision(decision)
    emit(answer.to_object(), as_json=as_json, text=_text(answer))


def _text(answer: DecisionAnswer) -> str:
    facts = {
        "decision": answer.id,
        "outcome": answer.outcome,
        "policy": answer.policy if answer.service is None else f"{answer.policy}#{answer.service}",
        "version": answer.version,
        **_person(answer.person),
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


def _person(person: DecidedPerson | None) -> dict[str, str]:
    if person is None:
        return {}
    return {"person": f"{person.name} ({person.key})", "volume": f"{person.volume}, to {person.mode}"}


def _step(step: StepRecord) -> str:
    mark = {True: "held", False: "FAILED", None: "not reached"}[step.held]
    return f"{mark:>12}  {step.step}"
