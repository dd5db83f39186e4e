from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit
from casemate.cli.release._statement import described, facts, load


def show(file: Annotated[Path, typer.Argument(help="A release statement.")], as_json: Json = False) -> None:
    """Show what a release statement says, and which keys signed it. Whether they may, a policy says.

    Example: `casemate release show records-1.4.json`
    """
    _, opened = load(file)
    found = facts(opened)
    emit(found, as_json=as_json, text=described(found))
