from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli import _custodians, _genesis
from casemate.cli._custodians import As, Custodian
from casemate.cli._files import read_bytes
from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.client import values
from casemate.wire.fields import b64u_encode


def seal(
    policy: Annotated[str, typer.Argument(help="The policy's name.")],
    secret: Annotated[str, typer.Argument(help="The secret of kind `value`.")],
    value: Annotated[Path, typer.Option("--from", help="A file with the value; - for standard input.")],
    into: Annotated[Path, typer.Option(help="Where sealed values are kept until they are submitted.")],
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Seal a value to the custodian, for a secret of kind `value`; prints the commitment for the policy file.

    Example: `casemate policy seal acme/records token --from token.txt --into records.sealed.json`
    """
    genesis = _genesis.find(home() / "policies", policy)
    pin = _custodians.chosen(custodian, identity=genesis.custodian)
    with _custodians.connect(pin.name, who) as client:
        sealing_key = client.instance().sealing_key
    sealed = values.seal_value(
        read_bytes(value), name=secret, custodian=pin.identity, genesis=genesis.identity(), sealing_key=sealing_key
    )
    kept = json.loads(into.read_text()) if into.exists() else {}
    kept[secret] = b64u_encode(sealed.sealed)
    into.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    emit(
        {"secret": secret, "commitment": sealed.commitment, "sealed": str(into)},
        as_json=as_json,
        text=f"in the policy file:\n  {secret}: {{kind: value, commitment: {sealed.commitment}}}\nsealed: {into}",
    )
