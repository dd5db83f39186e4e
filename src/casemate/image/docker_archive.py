"""What `docker save` writes and `docker load` reads (`docker-archive:`): a list of images, their configurations and
the archives of their layers."""

from __future__ import annotations

import json
import posixpath
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from casemate.errors import ImageRefusedError, UsageError
from casemate.image import oci
from casemate.image.archives import add_bytes, add_file, new_archive, opened_archive
from casemate.image.layout import Layout
from casemate.image.tar import Archive, Kind, Member

__all__ = ["pack", "unpacked"]

_LIST: Final = "manifest.json"
_COMPRESSED: Final = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
"""First bytes of a layer, and how its media type ends then."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    config: Annotated[str, Field(alias="Config")]
    tags: Annotated[list[str] | None, Field(alias="RepoTags")] = None
    layers: Annotated[list[str], Field(alias="Layers", max_length=1000)]


_ENTRIES: Final = TypeAdapter(list[_Entry])


def unpacked(path: Path, name: str | None, folder: Path) -> Layout:
    """The one image that is called `name`, as a layout in a new folder."""
    layout = Layout(folder, None)
    with opened_archive(path) as archive:
        entry = _chosen(_entries(archive), name, path)
        config = _small(archive, entry.config)
        # Equal layers are one member, however often they come.
        taken = {
            member: _layer(archive, member, layout) for member in {_member(archive, each) for each in entry.layers}
        }
        layers = [taken[_member(archive, each)] for each in entry.layers]
    configured = layout.put_manifest(config, oci.CONFIG_TYPE)
    manifest = oci.manifest_object(configured, layers)
    layout.finish(layout.put_manifest(json.dumps(manifest).encode(), oci.MANIFEST_TYPE))
    return layout


def pack(layout: Layout, path: Path, name: str | None) -> None:
    """Writes the image of the layout, for engines that know nothing else."""
    _, data = layout.top()
    manifest = oci.parse_manifest(data)
    files = {f"{blob.digest.removeprefix('sha256:')}.tar": layout.blob(blob) for blob in manifest.layers}
    config = f"{manifest.config.digest.removeprefix('sha256:')}.json"
    layers = [f"{blob.digest.removeprefix('sha256:')}.tar" for blob in manifest.layers]
    entry = {"Config": config, "RepoTags": [name] if name else [], "Layers": layers}
    with new_archive(path) as tar:
        add_file(tar, config, layout.blob(manifest.config))
        for member in sorted(files):
            add_file(tar, member, files[member])
        add_bytes(tar, _LIST, json.dumps([entry]).encode())


def _entries(archive: Archive) -> list[_Entry]:
    try:
        return _ENTRIES.validate_python(oci.decode(_small(archive, _LIST)))
    except ValueError as error:
        raise ImageRefusedError("the archive's list of images is none", step="image.archive") from error


def _chosen(entries: list[_Entry], name: str | None, path: Path) -> _Entry:
    # Some write a name with the registry that it would come from, some without.
    found = [
        entry
        for entry in entries
        if name is None or any(name in {tag, tag.partition("/")[2]} for tag in entry.tags or [])
    ]
    if len(found) != 1:
        names = ", ".join(tag for entry in entries for tag in entry.tags or [])
        raise UsageError(
            f"{path} has {len(found) or 'no'} images called {name or 'anything'}", got=names[:300] or "no names",
            remedy="name one: docker-archive:FILE:NAME:TAG",
        )  # fmt: skip
    return found[0]


def _layer(archive: Archive, member: Member, layout: Layout) -> oci.Descriptor:
    pieces = archive.pieces(member)
    first = next(pieces, b"")
    ending = next((ending for start, ending in _COMPRESSED.items() if first.startswith(start)), "")
    return layout.put_new(chain((first,), pieces), oci.LAYER_TYPE + ending)


def _small(archive: Archive, name: str) -> bytes:
    member = _member(archive, name)
    if member.size > oci.MAX_DOCUMENT_BYTES:
        raise ImageRefusedError("a document of the image is too large", step="image.document", got=name[:200])
    return b"".join(archive.pieces(member))


def _member(archive: Archive, name: str) -> Member:
    """A file of the archive; equal layers are links to one (older engines), inside the archive and one step long."""
    try:
        member = archive.members[name]
        if member.kind is Kind.LINK:
            member = archive.members[posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target))]
    except KeyError as error:
        raise ImageRefusedError(
            "the archive lacks a file of its image", step="image.archive", got=name[:200]
        ) from error
    if member.kind is not Kind.FILE:
        raise ImageRefusedError("the archive has something else for a file", step="image.archive", got=name[:200])
    return member
