"""Which custodian a command means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._home import home
from casemate.client import pins
from casemate.errors import UsageError

__all__ = ["Custodian", "chosen"]

Custodian = Annotated[
    str | None,
    typer.Option("--custodian", help="A pinned custodian; else the policy's own, $CASEMATE_CUSTODIAN, the only one."),
]


def chosen(name: str | None, *, identity: str | None = None) -> pins.Pin:
    """The pin called `name`, which must have `identity` where a manifest or a genesis record names one; else the pin
    with `identity`; else the default.
    """
    folder = home() / "custodians"
    if name is not None:
        return _checked(pins.load(folder, name), identity)
    if identity is not None:
        return _with_identity(folder, identity)
    return pins.load(folder, os.environ.get("CASEMATE_CUSTODIAN") or _only(pins.names(folder)))


def _checked(pin: pins.Pin, identity: str | None) -> pins.Pin:
    if identity is not None and pin.identity != identity:
        raise UsageError(
            f"{pin.name} is not the custodian that this belongs to",
            expected=identity,
            got=pin.identity,
            remedy="leave --custodian out: the right one is found by its identity",
        )
    return pin


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


def _only(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"which custodian? there are {len(names)}",
        got=", ".join(names) or "none",
        remedy="name one with --custodian"
        if names
        else "make one: casemate custodian init; or pin one: casemate custodian attest NAME --url URL --pin",
    )
