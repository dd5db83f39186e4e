from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.endorsements._cache import CacheFolder, opened
from casemate.endorsements.bundle import imported


def import_bundle(
    file: Annotated[Path, typer.Argument(help="A bundle, as `export` writes it; - for input.")],
    cache: CacheFolder = None,
    as_json: Json = False,
) -> None:
    """Take the endorsements of a bundle that are newer than those of the cache, or not there.

    Example: `casemate endorsements import all.json`
    """
    kept = opened(cache)
    done = {name: became.value for name, became in imported(kept, read_bytes(file)).items()}
    text = "\n".join([*(f"{name}: {became}" for name, became in done.items()), f"cache: {kept.folder}"])
    emit({"cache": str(kept.folder), "entries": done}, as_json=as_json, text=text)
