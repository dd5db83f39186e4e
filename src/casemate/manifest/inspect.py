"""Holding a manifest against the files of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from casemate.errors import ManifestError
from casemate.manifest.root import digest_file
from casemate.wire.manifest import Directory, File, Manifest, RootEntry, Symlink

__all__ = ["Difference", "differences"]


@dataclass(frozen=True)
class Difference:
    path: str
    expected: str
    got: str


def differences(manifest: Manifest, sources: Mapping[str, str]) -> Iterator[Difference]:
    """What of the root is not, on this machine, as the manifest says; `sources` as in the launch bundle.

    Only a help: what counts is what the shield finds when it copies.
    """
    for entry in manifest.root:
        source = Path(sources.get(entry.path, entry.path))
        expected, got = _compare(entry, source, moved=entry.path in sources)
        if expected != got:
            yield Difference(entry.path, expected, got)


def _compare(entry: RootEntry, source: Path, *, moved: bool) -> tuple[str, str]:
    if isinstance(entry, File):
        return entry.digest, _digest(source)
    if isinstance(entry, Symlink) and not moved and source.is_symlink():
        return f"link to {entry.target}", f"link to {os.readlink(source)}"
    # Links and folders are made by the shield as the manifest says; the host need not have them.
    assert isinstance(entry, Symlink | Directory)
    return "made by the shield", "made by the shield"


def _digest(source: Path) -> str:
    try:
        return digest_file(source)[0]
    except OSError as error:
        return error.strerror or "unreadable"
    except ManifestError as error:
        return error.message
