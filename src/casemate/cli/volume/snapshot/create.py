from __future__ import annotations

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
    binary,
    place,
)
from casemate.cli.volume.snapshot._asking import Where, mounted
from casemate.cli.volume.snapshot._name import SnapshotName
from casemate.volume import tool


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
    with progress("writing a checkpoint", quiet=as_json):
        created = mounted(folder, "create", name)
        if created is None:
            lender = Lender(policy, volume, custodian, who)
            request = {
                "command": "snapshot-create",
                "volume": place(folder, key_file, anchor, durability, lender, "write"),
                "name": name,
            }
            created = tool.ask(binary(), request)
    emit(created, as_json=as_json)
