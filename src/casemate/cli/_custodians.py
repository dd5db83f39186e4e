"""Which custodian and which identity a command means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli import _genesis
from casemate.cli._home import home
from casemate.client import identities, pins
from casemate.client.custodian import CustodianClient
from casemate.errors import UsageError

__all__ = ["As", "Custodian", "chosen", "connect", "identity"]

Custodian = Annotated[
    str | None,
    typer.Option("--custodian", help="A pinned custodian; else $CASEMATE_CUSTODIAN, or the policy's own."),
]
As = Annotated[str | None, typer.Option("--as", help="An identity; $CASEMATE_IDENTITY; else the only one.")]


def chosen(name: str | None, *, identity: str | None = None) -> pins.Pin:
    """The pin of that name; else the one with `identity`, where a manifest or a genesis record names it; else the only
    one.
    """
    folder = home() / "custodians"
    name = name or os.environ.get("CASEMATE_CUSTODIAN")
    if name is None and identity is not None:
        return _with_identity(folder, identity)
    return pins.load(folder, name or _only(pins.names(folder), "custodian"))


def identity(name: str | None) -> identities.Identity:
    folder = home() / "identities"
    which = name or os.environ.get("CASEMATE_IDENTITY") or _only(identities.names(folder), "identity")
    return identities.load(folder, which)


def connect(custodian: str | None, who: str | None, *, policy: str | None = None) -> CustodianClient:
    """A client of the pinned custodian (else of the one that `policy` belongs to) that signs as `who`."""
    pin = chosen(custodian, identity=None if policy is None else _genesis.custodian_of(home() / "policies", policy))
    return CustodianClient(pin.url, pin.genesis, identity(who).key)


def _with_identity(folder: Path, identity: str) -> pins.Pin:
    found = [pin for name in pins.names(folder) if (pin := pins.load(folder, name)).identity == identity]
    if not found:
        raise UsageError(
            "the custodian that this names is not pinned here",
            expected=identity,
            got=", ".join(pins.names(folder)) or "none",
            remedy=f"verify and pin it: casemate custodian attest NAME --url URL --identity {identity} --pin",
        )
    return found[0]


def _only(names: list[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    remedy = {
        "custodian": "pin one: casemate custodian attest NAME --url URL --pin; or name one with --custodian",
        "identity": "make one: casemate identity create NAME; or name one with --as",
    }[what]
    raise UsageError(f"which {what}? there are {len(names)}", got=", ".join(names) or "none", remedy=remedy)
