from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._output import Json, emit, progress
from casemate.cli.image import _keys
from casemate.cli.image._opening import opened_image
from casemate.cli.image._options import KeyOfImage
from casemate.image.difference import Difference, Facts, contents, differences
from casemate.image.tool import Tool

_OtherKey = Annotated[Path | None, typer.Option("--to-key-file", help="The key of AFTER, if it is another one.")]
_Times = Annotated[bool, typer.Option("--times", help="Also say where only the time of modification differs.")]
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def diff(
    before: Annotated[str, typer.Argument(help="A protected image.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    key_file: KeyOfImage = None,
    to_key_file: _OtherKey = None,
    times: _Times = False,
    as_json: Json = False,
) -> None:
    """Show what two protected images show differently: paths that were added, removed, changed, with digests.

    Example: `casemate image diff oci:api:1 oci:api:2`
    """
    with progress("reading both", quiet=as_json):
        one = _contents(before, key_file)
        other = _contents(after, to_key_file or key_file)
    found = list(differences(one, other, times=times))
    rows: list[dict[str, Any]] = [
        {"path": each.path, "kind": each.kind, "before": each.before, "after": each.after} for each in found
    ]
    emit({"differences": rows}, as_json=as_json, text="\n".join(map(_line, found)) or "They show the same.")


def _contents(image: str, key_file: Path | None) -> dict[str, Facts]:
    with opened_image(image) as (read, opened, _):
        key = _keys.key_of(key_file, opened.start.manifest.manifest)
        return contents(Tool.installed(), opened.readable(read.fetch, key))


def _line(found: Difference) -> str:
    line = f"{_SIGNS[found.kind]} {found.path}"
    if found.before is not None and found.after is not None:
        return line + "".join(
            f"\n    {name}: {found.before.get(name)} -> {found.after.get(name)}" for name in found.names
        )
    facts = found.after or found.before or {}
    return f"{line}  {facts['digest']}" if "digest" in facts else line
