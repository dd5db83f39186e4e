from __future__ import annotations

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
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


def info(
    folder: Folder,
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
    """Show what a sealed volume is and where it stands: what the anchor has, beside whoever writes.

    Example: `casemate volume info V --key-file K --anchor file:A`
    """
    request = {
        "command": "info",
        "volume": place(folder, key_file, anchor, durability, Lender(policy, volume, custodian, who), "read"),
        "freshness": freshness.value,
    }
    emit(tool.ask(binary(), request), as_json=as_json)
