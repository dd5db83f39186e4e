from __future__ import annotations

from typing import Annotated, Any

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, table
from casemate.cli.policy._genesis_of import genesis_of
from casemate.cli.policy._signers import named
from casemate.client.custodian import CustodianClient
from casemate.wire import canonical, dsse
from casemate.wire.fields import format_time
from casemate.wire.policies import Submission


def history(
    policy: Annotated[str, typer.Argument(help="A policy's name, or the hash of its genesis.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show every version of a policy, with who signed it. Example: `casemate policy history acme/records`"""
    with connect(custodian, who, policy=policy) as client:
        genesis = genesis_of(client, policy)
        answer = client.versions(genesis)
        newest = {} if as_json else _newest(client, genesis)
    if as_json:
        emit(answer.to_object(), as_json=True)
        return
    rows = [
        [str(entry.number), format_time(entry.time), entry.version, ", ".join(_names(entry.signers, newest))]
        for entry in answer.versions
    ]
    table(["number", "time", "version", "signed by"], rows)


def _newest(client: CustodianClient, genesis: str) -> dict[str, Any]:
    """The newest document, for the names of keys."""
    payload, _ = dsse.open_envelope(client.policy(genesis).submission, dsse.POLICY_TYPE)
    return canonical.parse_model(Submission, payload, what="submission").document


def _names(keys: list[str], newest: dict[str, Any]) -> list[str]:
    """Names alone where the newest version knows them: `policy show` has their keys."""
    return [text.partition(" ")[0] for text in named(keys, newest)]
