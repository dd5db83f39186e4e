from __future__ import annotations

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note, progress
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
from casemate.errors import VolumeTamperedError
from casemate.volume import tool


def check(
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
    """Check the structure of a sealed volume that is not mounted: tree, space, extents, names, links, orphans.

    Reads no data of files and writes nothing; names all that is wrong, and then ends with 91. There is no repair:
    `casemate volume salvage` copies out what is whole. Example: `casemate volume check V --key-file K --anchor file:A`
    """
    request = {
        "command": "check",
        "volume": place(folder, key_file, anchor, durability, Lender(policy, volume, custodian, who), "read"),
        "freshness": freshness.value,
    }
    with progress("reading the tree", quiet=as_json):
        checked = tool.ask(binary(), request)
    findings = checked.pop("findings")
    if not as_json:
        for finding in findings:
            note(f"{finding['place']}: {finding['what']}")
    emit({**checked, "findings": findings} if as_json else checked, as_json=as_json)
    if checked["found"]:
        raise VolumeTamperedError(
            f"{checked['found']} things are not as they must be",
            step="volume.check",
            remedy="use a copy that nobody changed, or copy out what is whole: casemate volume salvage",
        )
