from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli import _genesis
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import write_new
from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.cli._principals import at_least, principals
from casemate.errors import UsageError
from casemate.policy.genesis import make_genesis
from casemate.policy.starter import starter
from casemate.wire.rules import Access, AnyRule

_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def init(
    name: Annotated[str, typer.Argument(help="The policy's name, as acme/records.")],
    owner: Annotated[list[str], typer.Option(help="NAME of an identity here, or NAME=ed25519:… of somebody else.")],
    approvals: Annotated[int, typer.Option(help="How many owners must sign an update.")] = 1,
    insecure_simulation: Annotated[
        bool, typer.Option("--insecure-simulation", help="For the simulated platform only, for ever.")
    ] = False,
    service: Annotated[str, typer.Option(help="What the first service is called.")] = "app",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The policy file to write.")] = None,
    custodian: Custodian = None,
    as_json: Json = False,
) -> None:
    """Make a policy's genesis record and a first document to fill in.

    Example: `casemate policy init acme/records --owner alice --insecure-simulation`
    """
    _genesis.checked_name(name)
    if not _SERVICE.fullmatch(service):
        raise UsageError("not a service's name", expected="a-z, 0-9, - and _, at most 63", got=service[:80])
    pin = chosen(custodian)
    owners = principals(owner)
    genesis = make_genesis(
        name,
        principals=owners,
        access=Access(read=AnyRule.model_validate({"any": list(owners)}), update=at_least(approvals, owners)),
        custodian=pin.identity,
        insecure_simulation=insecure_simulation,
        rng=secrets.token_bytes,
    )
    path = output or Path(f"{name.partition('/')[2]}.yaml")
    write_new(path, starter(genesis, service=service).encode(), otherwise="name another file with --output")
    try:
        _genesis.keep(home() / "policies", genesis)
    except BaseException:
        path.unlink()
        raise
    emit({"policy": name, "genesis": genesis.identity(), "path": str(path)}, as_json=as_json)
