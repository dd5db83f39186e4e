from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli import _genesis
from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_bytes
from casemate.cli._home import home
from casemate.cli._output import Json, emit, note
from casemate.cli._policy_file import keep_sealed, kept_sealed
from casemate.client import values
from casemate.errors import UsageError
from casemate.wire.fields import b64u_encode

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


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
    if not _NAME.fullmatch(secret):
        raise UsageError("not a secret's name", expected="a-z, then a-z, 0-9 and _", got=secret[:80])
    genesis = _genesis.find(home() / "policies", policy)
    kept = kept_sealed(into)
    content = read_bytes(value)
    if content.endswith(b"\n") and not as_json:
        note("The value ends with a newline, which is sealed with it (printf %s makes one without).")
    pin = chosen(custodian, identity=genesis.custodian)
    with connect(pin.name, who) as client:
        sealing_key = client.instance().sealing_key
    sealed = values.seal_value(
        content, name=secret, custodian=pin.identity, genesis=genesis.identity(), sealing_key=sealing_key
    )
    kept[secret] = b64u_encode(sealed.sealed)
    keep_sealed(into, kept)
    emit(
        {"secret": secret, "commitment": sealed.commitment, "sealed": str(into)},
        as_json=as_json,
        text=f"in the policy file:\n  {secret}: {{kind: value, commitment: {sealed.commitment}}}\nsealed: {into}",
    )
