from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli._connecting import identity
from casemate.cli._custodians import chosen
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli._supervising import wait
from casemate.cli.custodian import _host
from casemate.cli.custodian._holes import DEFAULT_HOLES
from casemate.errors import CustodianError, UsageError
from casemate.wire import canonical, dsse
from casemate.wire.custodian import RESTORE_TYPE, RestoreStatement

_EXPIRES: Final = timedelta(hours=1)
_REPORT: Final = '{"found"'


def restore(
    name: Annotated[str, typer.Argument(help="A custodian of this host.")],
    signer: Annotated[list[str], typer.Option("--as", help="An identity of the board; may be repeated.")],
    found: Annotated[Path, typer.Option(help="What the refusing custodian printed about its state (JSON).")],
    reason: Annotated[str, typer.Option(help="Why this state is the right one; goes into the record.")],
    as_json: Json = False,
) -> None:
    """Accept a store that its anchor does not confirm. Needs the board; is recorded.

    Example: `casemate custodian restore main --as alice --found state.json --reason "disk replaced, backup of 02:00"`
    """
    host, pin = _host.load(name), chosen(name)
    keys = {item.public: item.key for item in map(identity, signer)}
    statement = _statement(found, pin.identity, reason)
    envelope = dsse.sign_envelope(RESTORE_TYPE, statement.to_object(), list(keys.values()))
    target = Path(host.data) / "restore.json"
    target.write_bytes(canonical.encode(envelope.to_object()))
    try:
        with open(os.devnull, "r+b") as nothing:
            status = wait(_host.start(host, {**DEFAULT_HOLES, "command": "restore"}, (nothing.fileno(),) * 2 + (2,)))
    finally:
        target.unlink(missing_ok=True)
    if status:
        raise CustodianError(
            "the custodian did not accept it", got=f"exit status {status}", remedy="its own message is above"
        )
    emit({"custodian": name, "restored": statement.found.sequence, "reason": reason}, as_json=as_json)


def _statement(found: Path, identity: str, reason: str) -> RestoreStatement:
    """Of a file with the custodian's message, or with its JSON alone."""
    text = read_bytes(found).decode(errors="replace")
    try:
        facts, _ = json.JSONDecoder().raw_decode(text[text.index(_REPORT) :])
        return RestoreStatement.model_validate(
            {
                "casemate_restore": 1,
                "custodian": identity,
                "found": facts["found"],
                "anchor": facts.get("anchor"),
                "reason": reason,
                "expires": (datetime.now(UTC) + _EXPIRES).replace(microsecond=0),
            }
        )
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{found} is not what a refusing custodian prints",
            expected='a line with {"found": …}',
            remedy="copy that line into a file; the reason has at most 1,000 characters",
        ) from error
