"""Which custodian and which identity a command means."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from casemate.cli._home import home
from casemate.client import identities, pins
from casemate.client.custodian import CustodianClient
from casemate.errors import UsageError

__all__ = ["As", "Custodian", "chosen", "connect", "identity"]

Custodian = Annotated[
    str | None, typer.Option("--custodian", help="A pinned custodian; $CASEMATE_CUSTODIAN; else the only one.")
]
As = Annotated[str | None, typer.Option("--as", help="An identity; $CASEMATE_IDENTITY; else the only one.")]


def chosen(name: str | None) -> pins.Pin:
    folder = home() / "custodians"
    return pins.load(folder, name or os.environ.get("CASEMATE_CUSTODIAN") or _only(pins.names(folder), "custodian"))


def identity(name: str | None) -> identities.Identity:
    folder = home() / "identities"
    which = name or os.environ.get("CASEMATE_IDENTITY") or _only(identities.names(folder), "identity")
    return identities.load(folder, which)


def connect(custodian: str | None, who: str | None) -> CustodianClient:
    """A client of the pinned custodian that signs as `who`."""
    pin = chosen(custodian)
    return CustodianClient(pin.url, pin.genesis, identity(who).key)


def _only(names: list[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    remedy = {
        "custodian": "pin one: casemate custodian attest NAME --url URL --pin; or name one with --custodian",
        "identity": "make one: casemate identity create NAME; or name one with --as",
    }[what]
    raise UsageError(f"which {what}? there are {len(names)}", got=", ".join(names) or "none", remedy=remedy)
