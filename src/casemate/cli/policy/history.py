from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli import _custodians
from casemate.cli._custodians import As, Custodian
from casemate.cli._output import Json, emit, table
from casemate.cli.policy._genesis_of import genesis_of
from casemate.wire.fields import format_time


def history(
    policy: Annotated[str, typer.Argument(help="A policy's name, or the hash of its genesis.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show every version of a policy, with who signed it. Example: `casemate policy history acme/records`"""
    with _custodians.connect(custodian, who, policy=policy) as client:
        answer = client.versions(genesis_of(client, policy))
    if as_json:
        emit(answer.to_object(), as_json=True)
        return
    rows = [
        [str(entry.number), format_time(entry.time), entry.version, ", ".join(entry.signers)]
        for entry in answer.versions
    ]
    table(["number", "time", "version", "signed by"], rows)
