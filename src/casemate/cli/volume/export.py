from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
from casemate.cli._progress import bar
from casemate.cli.volume._place import (
    Anchor,
    Durability,
    Folder,
    Fresh,
    Freshness,
    KeyFile,
    Lasting,
    Lender,
    Name,
    Policy,
    binary,
    place,
)
from casemate.volume import tool


def export(
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="A new folder of this machine.")],
    key_file: KeyFile = None,
    anchor: Anchor = None,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Copy a sealed volume, as the anchor has it, into a new folder; the first thing that is refused ends it.

    Example: `casemate volume export V records --key-file K --anchor file:A`
    """
    request = {
        "command": "export",
        "volume": place(folder, key_file, anchor, durability, Lender(policy, volume, custodian, who), "read"),
        "freshness": freshness.value,
        "target": str(target.absolute()),
        "salvage": False,
    }
    with bar("exporting", quiet=as_json) as listener:
        exported = tool.ask(binary(), request, listener)
    emit({"files": exported["files"], "folder": str(target)}, as_json=as_json)
