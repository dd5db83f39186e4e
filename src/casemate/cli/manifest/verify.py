from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli._output import Json, emit, progress
from casemate.cli.manifest._find import find
from casemate.errors import ManifestError
from casemate.manifest.inspect import differences


def verify(
    which: Annotated[str, typer.Argument(help="A manifest file, a digest, or a policy#service.")],
    as_json: Json = False,
) -> None:
    """Hold a manifest against the files of this machine. Example: `casemate manifest verify acme/records#api`"""
    built = find(which)
    with progress("hashing the files", quiet=as_json):
        found = list(differences(built.parsed.manifest, built.sources))
    if found:
        first = found[0]
        raise ManifestError(
            f"{len(found)} of {len(built.parsed.manifest.root)} entries differ, first {first.path}",
            step="manifest.verify",
            expected=first.expected,
            got=first.got,
            remedy="restore the file, or build a new manifest and have the policy name it",
        )
    emit(
        {"manifest": built.parsed.digest, "entries": len(built.parsed.manifest.root), "differences": 0}, as_json=as_json
    )
