from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit
from casemate.cli.volume._place import Anchor, Durability, Folder, Fresh, Freshness, KeyFile, Lasting, binary, place
from casemate.cli.volume._progress import bar
from casemate.volume import tool


def export(
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="A new folder of this machine.")],
    key_file: KeyFile,
    anchor: Anchor,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    as_json: Json = False,
) -> None:
    """Copy a sealed volume, as the anchor has it, into a new folder; the first thing that is refused ends it.

    Example: `casemate volume export V records --key-file K --anchor file:A`
    """
    request = {
        "command": "export",
        "volume": place(folder, key_file, anchor, durability),
        "freshness": freshness.value,
        "target": str(target.absolute()),
        "salvage": False,
    }
    with bar("exporting", quiet=as_json) as listener:
        exported = tool.ask(binary(), request, listener)
    emit({"files": exported["files"], "folder": str(target)}, as_json=as_json)
