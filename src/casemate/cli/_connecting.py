"""Whom a command speaks to, and as whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from casemate.cli import _custodians, _genesis
from casemate.cli._home import home
from casemate.client import identities, pins
from casemate.errors import UsageError

if TYPE_CHECKING:
    from casemate.client.custodian import CustodianClient

__all__ = ["As", "connect", "custodian_for", "identity"]

As = Annotated[str | None, typer.Option("--as", help="An identity; $CASEMATE_IDENTITY; else the only one.")]


def connect(custodian: str | None, who: str | None, *, policy: str | None = None) -> CustodianClient:
    """A client of the custodian that `policy` (name, hash of its genesis, or the first digits of it) belongs to, else
    of the pinned one; it signs as `who`.
    """
    from casemate.client.custodian import CustodianClient  # slow, and most that can ask somebody need not

    pin = custodian_for(custodian, policy)
    return CustodianClient(pin.url, pin.genesis, identity(who).key)


def custodian_for(custodian: str | None, policy: str | None) -> pins.Pin:
    """The custodian that `policy` (as in `connect`) belongs to, else the pinned one."""
    named = None if policy is None else _genesis.custodian_of(home() / "policies", policy)
    return _custodians.chosen(custodian, identity=named)


def identity(name: str | None) -> identities.Identity:
    folder = home() / "identities"
    return identities.load(folder, name or os.environ.get("CASEMATE_IDENTITY") or _only(identities.names(folder)))


def _only(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"which identity? there are {len(names)}",
        got=", ".join(names) or "none",
        remedy="name one with --as" if names else "make one: casemate identity create NAME",
    )
