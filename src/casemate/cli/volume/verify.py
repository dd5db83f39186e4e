from __future__ import annotations

from casemate.cli._output import Json, emit, progress
from casemate.cli.volume._place import Anchor, Durability, Folder, Fresh, Freshness, KeyFile, Lasting, binary, place
from casemate.volume import tool


def verify(
    folder: Folder,
    key_file: KeyFile,
    anchor: Anchor,
    durability: Lasting = Durability.durable,
    freshness: Fresh = Freshness.strict,
    as_json: Json = False,
) -> None:
    """Read and verify all of a sealed volume that is not mounted: every node, all data, and which space is in use.

    Example: `casemate volume verify V --key-file K --anchor file:A`
    """
    request = {
        "command": "verify",
        "volume": place(folder, key_file, anchor, durability),
        "freshness": freshness.value,
    }
    with progress("reading everything", quiet=as_json):
        verified = tool.ask(binary(), request)
    emit(verified, as_json=as_json)
