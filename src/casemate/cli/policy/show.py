from __future__ import annotations

from typing import Annotated, Any, Final

import typer
import yaml

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
from casemate.cli.policy._genesis_of import genesis_of
from casemate.cli.policy._signers import named
from casemate.wire import canonical, dsse
from casemate.wire.policies import Submission

_READING_ORDER: Final = ("casemate", "policy", "genesis", "predecessor", "principals", "access", "services", "secrets")


def show(
    policy: Annotated[str, typer.Argument(help="A policy's name, or the hash of its genesis.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show a policy's newest version and who signed it. Example: `casemate policy show acme/records`"""
    with connect(custodian, who, policy=policy) as client:
        answer = client.policy(genesis_of(client, policy))
    payload, signers = dsse.open_envelope(answer.submission, dsse.POLICY_TYPE)
    document = canonical.parse_model(Submission, payload, what="submission").document
    facts = {"version": answer.version, "number": answer.number, "signers": sorted(signers)}
    head = [f"# version {answer.number}: {answer.version}", *(f"# signed by {who}" for who in named(signers, document))]
    emit({**facts, "document": document}, as_json=as_json, text="\n".join([*head, _yaml(document)]))


def _yaml(document: dict[str, Any]) -> str:
    """As a person would write it: the fields in the order in which one reads them."""
    fields = [name for name in _READING_ORDER if name in document]
    ordered = {name: document[name] for name in dict.fromkeys((*fields, *document))}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=120).rstrip()
