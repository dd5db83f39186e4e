from __future__ import annotations

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


def verify(
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
    """Check a sealed volume that is not mounted, then read and open all data of all files: every byte, once.

    Stops at the first thing that is wrong. `casemate volume check` reads no data and names all that is wrong.

    Example: `casemate volume verify V --key-file K --anchor file:A`
    """
    request = {
        "command": "verify",
        "volume": place(folder, key_file, anchor, durability, Lender(policy, volume, custodian, who), "read"),
        "freshness": freshness.value,
    }
    with bar("verifying", quiet=as_json) as listener:
        verified = tool.ask(binary(), request, listener)
    emit(verified, as_json=as_json)
