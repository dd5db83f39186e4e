from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, table
from casemate.cli.volume._place import (
    Anchor,
    Durability,
    Fresh,
    Freshness,
    KeyFile,
    Lasting,
    Lender,
    Name,
    Policy,
    place,
)
from casemate.cli.volume.snapshot._asking import Where, ask


def list_snapshots(
    folder: Where,
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
    """List the snapshots of a sealed volume, the oldest first, beside whoever writes.

    Example: `casemate volume snapshot list V --key-file K --anchor file:A`
    """
    lender = Lender(policy, volume, custodian, who)

    def unmounted() -> dict[str, Any]:
        described = place(folder, key_file, anchor, durability, lender, "read")
        return {"volume": described, "freshness": freshness.value}

    found = ask(folder, "list", unmounted)
    if as_json:
        emit(found, as_json=True)
    elif found["snapshots"]:
        rows = [[entry["name"], _shown(entry["taken"]), str(entry["generation"])] for entry in found["snapshots"]]
        table(["name", "taken", "generation"], rows)
    else:
        emit({}, as_json=False, text="no snapshots yet: casemate volume snapshot create")


def _shown(seconds: int) -> str:
    """The clock of the machine that took it may have said anything."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError):
        return f"{seconds} s"
