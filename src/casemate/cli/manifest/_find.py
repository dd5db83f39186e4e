"""Finding the manifest that a person means."""

from __future__ import annotations

import os
from pathlib import Path

from casemate.cli._home import home
from casemate.cli.manifest._options import reference
from casemate.errors import UsageError
from casemate.manifest import library
from casemate.manifest.build import Built

__all__ = ["find"]


def find(which: str) -> Built:
    """By file, by digest, or the newest for a policy and service."""
    folder = home() / "manifests"
    if which.startswith("sha256:"):
        return library.load(folder, which)
    if "#" in which and not os.path.isfile(which):
        return library.find(folder, *reference(which))
    if not os.path.exists(which):
        raise UsageError(
            "no such manifest", expected="a manifest's file, its digest, or a policy and a service (acme/records#api)",
            got=which[:200],
        )  # fmt: skip
    return library.load_file(Path(which))
