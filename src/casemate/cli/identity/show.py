from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.client import identities


def show(name: Annotated[str, typer.Argument(help="An identity.")], as_json: Json = False) -> None:
    """Show an identity's public key. Example: `casemate identity show alice`"""
    identity = identities.load(home() / "identities", name)
    emit({"name": identity.name, "key": identity.public, "path": str(identity.path)}, as_json=as_json)
