"""A program and what it needs as the one layer of an image: an archive whose every byte follows from its content."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from casemate.errors import ImageError
from casemate.image.oci import LAYER_TYPE, described
from casemate.image.original import Layer
from casemate.wire.manifest import Directory, File, RootEntry, Symlink

__all__ = ["layer_of"]

_USUAL: Final = {"tmp": 0o1777, "run": 0o755, "var": 0o755, "var/tmp": 0o1777}
"""Folders that programs expect to be there."""
_PARENT: Final = 0o755


def layer_of(entries: Sequence[RootEntry], sources: Mapping[str, str], target: Path) -> Layer:
    """`entries` by path; `sources` says where a file lies, if not at its path. A new file `target` is the archive.

    Errors: ImageError where a file is not what its entry says any more.
    """
    with tarfile.open(target, "x", format=tarfile.PAX_FORMAT) as archive:
        for path, mode in sorted(_folders(entries).items()):
            archive.addfile(_entry(path, tarfile.DIRTYPE, mode))
        for entry in sorted(entries, key=lambda entry: entry.path):
            _add(archive, entry, sources)
    made = described(target, LAYER_TYPE)
    return Layer(made.size, made.digest, lambda _: target, is_ours=True)


def _folders(entries: Sequence[RootEntry]) -> dict[str, int]:
    found = dict(_USUAL)
    for entry in entries:
        parents = PurePosixPath(entry.path[1:]).parents
        found.update({str(path): _PARENT for path in parents if str(path) not in {".", *found}})
    named = {entry.path[1:]: int(entry.mode, 8) for entry in entries if isinstance(entry, Directory)}
    leaves = {entry.path[1:] for entry in entries if not isinstance(entry, Directory)}
    return {path: mode for path, mode in {**found, **named}.items() if path not in leaves}


def _add(archive: tarfile.TarFile, entry: RootEntry, sources: Mapping[str, str]) -> None:
    if isinstance(entry, Symlink):
        link = _entry(entry.path[1:], tarfile.SYMTYPE, 0o777)
        link.linkname = entry.target
        archive.addfile(link)
    elif isinstance(entry, File):
        _add_file(archive, entry, Path(sources.get(entry.path, entry.path)))


def _add_file(archive: tarfile.TarFile, entry: File, source: Path) -> None:
    info = _entry(entry.path[1:], tarfile.REGTYPE, int(entry.mode, 8))
    info.size = entry.size
    try:
        with source.open("rb") as file:
            archive.addfile(info, file)
            grew = file.read(1)
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror or 'it is shorter than it was'}", step="image.read") from error
    if grew:
        raise ImageError(f"{source} changed while it was read", step="image.read", remedy="try again")


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode = kind, mode
    return info
