from __future__ import annotations

from typing import Annotated

import typer
import yaml

from casemate.cli import _custodians
from casemate.cli._custodians import As, Custodian
from casemate.cli._output import Json, emit
from casemate.cli.policy._genesis_of import genesis_of
from casemate.wire import canonical, dsse
from casemate.wire.policies import Submission


def show(
    policy: Annotated[str, typer.Argument(help="A policy's name, or the hash of its genesis.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show a policy's newest version and who signed it. Example: `casemate policy show acme/records`"""
    with _custodians.connect(custodian, who, policy=policy) as client:
        answer = client.policy(genesis_of(client, policy))
    payload, signers = dsse.open_envelope(answer.submission, dsse.POLICY_TYPE)
    statement = canonical.parse_model(Submission, payload, what="submission")
    facts = {"version": answer.version, "number": answer.number, "signers": sorted(signers)}
    text = f"# version {answer.number}: {answer.version}\n# signed by {', '.join(sorted(signers))}\n"
    emit(
        {**facts, "document": statement.document},
        as_json=as_json,
        text=text + yaml.safe_dump(statement.document, sort_keys=False, allow_unicode=True, width=120).rstrip(),
    )
