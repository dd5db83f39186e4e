from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit, progress
from casemate.cli.image import _keys
from casemate.cli.image._opening import opened_image
from casemate.cli.image._options import KeyOfImage
from casemate.errors import UsageError
from casemate.image.tool import Tool


def export(
    image: Annotated[str, typer.Argument(help="A protected image.")],
    target: Annotated[Path, typer.Argument(help="A new file: an archive (tar) of the whole tree.")],
    key_file: KeyOfImage = None,
    as_json: Json = False,
) -> None:
    """Write all that a protected image shows its workload into an archive: for audits, in the clear.

    Every byte is verified up to the roots in the manifest. Example: `casemate image export oci:api:1 api.tar`
    """
    if target.exists():
        raise UsageError(f"{target} exists", remedy="name a new file")
    with opened_image(image) as (read, opened, _), progress("exporting", quiet=as_json):
        key = _keys.key_of(key_file, opened.start.manifest.manifest)
        exported = Tool.installed().export(opened.readable(read.fetch, key), target.absolute())
    emit({**exported, "archive": str(target)}, as_json=as_json)
