from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, table
from casemate.cli.policy._genesis_of import genesis_of
from casemate.wire.fields import format_time
from casemate.wire.policies import DecidedPerson


def decisions(
    policy: Annotated[str, typer.Argument(help="A policy's name, or the hash of its genesis.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the newest first.")] = 20,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """List who was admitted and who was refused, newest first. Example: `casemate policy decisions acme/records`"""
    with connect(custodian, who, policy=policy) as client:
        answer = client.decisions(genesis_of(client, policy), limit=limit)
    if as_json:
        emit(answer.to_object(), as_json=True)
        return
    rows = [
        [format_time(item.time), item.outcome, item.service or _person(item.person), item.step or "", item.id]
        for item in answer.decisions
    ]
    table(["time", "outcome", "for", "failed at", "decision (casemate why)"], rows)


def _person(person: DecidedPerson | None) -> str:
    return "" if person is None else f"{person.name} ({person.volume})"
