from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import write_new
from casemate.cli._output import Json, emit
from casemate.cli.endorsements._cache import CacheFolder, opened
from casemate.endorsements.bundle import exported
from casemate.errors import UsageError


def export(
    file: Annotated[Path, typer.Argument(help="The bundle to write; it must not be there.")],
    cache: CacheFolder = None,
    as_json: Json = False,
) -> None:
    """Write the cache into one file, for machines without a network.

    Example: `casemate endorsements export all.json`
    """
    kept = opened(cache)
    names = list(kept.names())
    if not names:
        raise UsageError(f"nothing in {kept.folder}", remedy="fetch first: casemate endorsements fetch --evidence FILE")
    write_new(file, exported(kept))
    emit({"path": str(file), "entries": len(names)}, as_json=as_json)
