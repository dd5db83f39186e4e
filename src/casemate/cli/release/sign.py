from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import replace_text
from casemate.cli._output import Json, emit
from casemate.cli.release._statement import described, facts, load, signers
from casemate.client.releases import countersign
from casemate.wire.statements import open_statement


def sign(
    file: Annotated[Path, typer.Argument(help="A release statement; the signature is added to it.")],
    signer: Annotated[list[str] | None, typer.Option("--as", help="An identity that signs; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Vouch for a release that somebody else wrote down. Look at it first: `casemate release show FILE`.

    Example: `casemate release sign records-1.4.json --as auditor`
    """
    data, _ = load(file)
    signed = countersign(data, [one.key for one in signers(signer)])
    replace_text(file, signed.decode())
    found = facts(open_statement(signed))
    emit({**found, "path": str(file)}, as_json=as_json, text=described(found))
