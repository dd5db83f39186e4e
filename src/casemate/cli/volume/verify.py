from __future__ import annotations

from casemate.cli._output import Json, emit
from casemate.cli.volume._place import Anchor, Durability, Folder, Fresh, Freshness, KeyFile, Lasting, binary, place
from casemate.cli.volume._progress import bar
from casemate.volume import tool


def verify(
    folder: Folder,
    key_file: KeyFile,
    anchor: Anchor,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    as_json: Json = False,
) -> None:
    """Check a sealed volume that is not mounted, then read and open all data of all files: every byte, once.

    Stops at the first thing that is wrong. `casemate volume check` reads no data and names all that is wrong.

    Example: `casemate volume verify V --key-file K --anchor file:A`
    """
    request = {
        "command": "verify",
        "volume": place(folder, key_file, anchor, durability),
        "freshness": freshness.value,
    }
    with bar("verifying", quiet=as_json) as listener:
        verified = tool.ask(binary(), request, listener)
    emit(verified, as_json=as_json)
