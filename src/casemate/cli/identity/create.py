from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.client import identities


def create(
    name: Annotated[str, typer.Argument(help="How you call it; only this machine knows the name.")],
    as_json: Json = False,
) -> None:
    """Make a key pair that signs policies and requests. Example: `casemate identity create alice`"""
    identity = identities.create(home() / "identities", name)
    emit({"name": name, "key": identity.public, "path": str(identity.path)}, as_json=as_json)
