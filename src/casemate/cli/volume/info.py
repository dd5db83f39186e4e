from __future__ import annotations

from casemate.cli._output import Json, emit
from casemate.cli.volume._place import Anchor, Durability, Folder, Fresh, Freshness, KeyFile, Lasting, binary, place
from casemate.volume import tool


def info(
    folder: Folder,
    key_file: KeyFile,
    anchor: Anchor,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    as_json: Json = False,
) -> None:
    """Show what a sealed volume is and where it stands: what the anchor has, beside whoever writes.

    Example: `casemate volume info V --key-file K --anchor file:A`
    """
    request = {
        "command": "info",
        "volume": place(folder, key_file, anchor, durability),
        "freshness": freshness.value,
    }
    emit(tool.ask(binary(), request), as_json=as_json)
