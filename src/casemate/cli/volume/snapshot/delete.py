from __future__ import annotations

from typing import Any

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, progress
from casemate.cli.volume._place import (
    Anchor,
    Durability,
    KeyFile,
    Lasting,
    Lender,
    Name,
    Policy,
    place,
)
from casemate.cli.volume.snapshot._asking import SnapshotName, Where, ask


def delete(
    folder: Where,
    name: SnapshotName,
    key_file: KeyFile = None,
    anchor: Anchor = None,
    durability: Lasting = Durability.durable,
    policy: Policy = None,
    volume: Name = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Delete a snapshot of a sealed volume, and free what only it needs.

    Example: `casemate volume snapshot delete V monday --key-file K --anchor file:A`
    """
    lender = Lender(policy, volume, custodian, who)

    def unmounted() -> dict[str, Any]:
        return {"volume": place(folder, key_file, anchor, durability, lender, "write")}

    with progress("freeing what only it needs", quiet=as_json):
        deleted = ask(folder, "delete", unmounted, name=name)
    emit(deleted, as_json=as_json)
