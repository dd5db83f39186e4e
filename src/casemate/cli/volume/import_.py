from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
from casemate.cli._progress import bar
from casemate.cli.volume._place import Anchor, Durability, Folder, KeyFile, Lasting, Lender, Name, Policy, binary, place
from casemate.errors import UsageError
from casemate.volume import tool


def import_folder(
    folder: Folder,
    source: Annotated[Path, typer.Argument(help="A folder of this machine; what is in it is copied.")],
    key_file: KeyFile = None,
    anchor: Anchor = None,
    into: Annotated[str, typer.Option("--into", help="A directory of the volume that is there.")] = "/",
    durability: Lasting = Durability.durable,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Copy a folder into a sealed volume that is not mounted: contents, links, owners, times, attributes, holes.

    What is there already is not replaced. Example: `casemate volume import V records --key-file K --anchor file:A`
    """
    if not source.is_dir():
        raise UsageError(f"{source} is not a folder", remedy="name the folder whose content is to be copied")
    request = {
        "command": "import",
        "volume": place(folder, key_file, anchor, durability, Lender(policy, volume, custodian, who), "write"),
        "freshness": "strict",
        "source": str(source.absolute()),
        "into": into,
    }
    with bar("importing", quiet=as_json) as listener:
        imported = tool.ask(binary(), request, listener)
    emit(imported, as_json=as_json)
