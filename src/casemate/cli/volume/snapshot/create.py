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


def create(
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
    """Keep a sealed volume as it is now, under a name. It costs what changes later.

    Of a mounted volume it has all that programs wrote before. Show one with `casemate volume mount --snapshot`.
    Example: `casemate volume snapshot create V monday --key-file K --anchor file:A`
    """
    lender = Lender(policy, volume, custodian, who)

    def unmounted() -> dict[str, Any]:
        return {"volume": place(folder, key_file, anchor, durability, lender, "write")}

    with progress("writing a checkpoint", quiet=as_json):
        created = ask(folder, "create", unmounted, name=name)
    emit(created, as_json=as_json)
