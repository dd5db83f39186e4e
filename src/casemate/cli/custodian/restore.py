from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli import _custodians
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.custodian import _host
from casemate.cli.custodian._measured import DEFAULT_HOLES
from casemate.cli.run import wait
from casemate.errors import UsageError
from casemate.wire import canonical, dsse
from casemate.wire.custodian import RESTORE_TYPE, RestoreStatement

_EXPIRES: Final = timedelta(hours=1)


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
    host = _host.load(name)
    pin = _custodians.chosen(name)
    try:
        facts = json.loads(read_bytes(found))
        statement = RestoreStatement.model_validate(
            {
                "casemate_restore": 1,
                "custodian": pin.identity,
                "found": facts["found"],
                "anchor": facts.get("anchor"),
                "reason": reason,
                "expires": (datetime.now(UTC) + _EXPIRES).replace(microsecond=0),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{found} is not what a refusing custodian prints") from error
    keys = [_custodians.identity(one).key for one in signer]
    envelope = dsse.sign_envelope(RESTORE_TYPE, statement.to_object(), keys)
    target = Path(host.data) / "restore.json"
    target.write_bytes(canonical.encode(envelope.to_object()))
    status = wait(_host.start(host, {**DEFAULT_HOLES, "command": "restore"}, (0, 1, 2)))
    target.unlink(missing_ok=True)
    if status:
        raise typer.Exit(status)
    emit({"custodian": name, "restored": statement.found.sequence, "reason": reason}, as_json=as_json)
