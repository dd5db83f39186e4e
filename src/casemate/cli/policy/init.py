from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli import _custodians, _genesis
from casemate.cli._custodians import Custodian
from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.client import identities
from casemate.errors import UsageError
from casemate.policy.genesis import make_genesis
from casemate.policy.starter import starter
from casemate.wire.rules import Access, Principal


def init(
    name: Annotated[str, typer.Argument(help="The policy's name, as acme/records.")],
    owner: Annotated[list[str], typer.Option(help="NAME of an identity here, or NAME=ed25519:… of somebody else.")],
    approvals: Annotated[int, typer.Option(help="How many owners must sign an update.")] = 1,
    insecure_simulation: Annotated[
        bool, typer.Option("--insecure-simulation", help="For the simulated platform only, for ever.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The policy file to write.")] = None,
    custodian: Custodian = None,
    as_json: Json = False,
) -> None:
    """Make a policy's genesis record and a first document to fill in.

    Example: `casemate policy init acme/records --owner alice --insecure-simulation`
    """
    pin = _custodians.chosen(custodian)
    principals = dict(_principal(text) for text in owner)
    if not 1 <= approvals <= len(principals):
        raise UsageError("that many approvals can never be had", expected=f"1 to {len(principals)}", got=str(approvals))
    access = Access.model_validate(
        {"read": {"any": list(principals)}, "update": {"at_least": approvals, "of": list(principals)}}
    )
    genesis = make_genesis(
        name,
        principals=principals,
        access=access,
        custodian=pin.identity,
        insecure_simulation=insecure_simulation,
        rng=secrets.token_bytes,
    )
    path = output or Path(f"{name.partition('/')[2]}.yaml")
    if path.exists():
        raise UsageError(f"{path} exists", remedy="name another file with --output")
    _genesis.keep(home() / "policies", genesis)
    path.write_text(starter(genesis))
    emit({"policy": name, "genesis": genesis.identity(), "path": str(path)}, as_json=as_json)


def _principal(text: str) -> tuple[str, Principal]:
    name, mark, key = text.partition("=")
    return name, Principal(key=key if mark else identities.load(home() / "identities", name).public)
