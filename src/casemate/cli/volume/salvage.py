from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note
from casemate.cli._progress import bar
from casemate.cli.volume._place import Folder, KeyFile, Lender, Name, Policy, binary, unanchored
from casemate.errors import VolumeTamperedError
from casemate.volume import tool


def salvage(
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="A new folder of this machine.")],
    key_file: KeyFile = None,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Copy what still verifies out of a damaged volume, its newest checkpoint, without asking the anchor.

    Each file is whole and was once written so; that it is the newest is **not** proven. Ends with 91 if files are lost.
    Example: `casemate volume salvage V rescued --key-file K`
    """
    request = {
        "command": "export",
        "volume": unanchored(folder, key_file, Lender(policy, volume, custodian, who)),
        "freshness": "none",
        "target": str(target.absolute()),
        "salvage": True,
    }
    with bar("salvaging", quiet=as_json) as listener:
        saved = tool.ask(binary(), request, listener)
    lost = saved["lost"]
    if not as_json:
        note("Nothing of this is proven to be the newest.")
        for item in lost:
            note(f"lost: {item['path']}: {item['why']}")
    emit({"files": saved["files"], "lost": lost if as_json else len(lost), "proven_fresh": False}, as_json=as_json)
    if lost:
        raise VolumeTamperedError(f"{len(lost)} files or folders are lost", step="volume.salvage")
