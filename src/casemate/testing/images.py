"""Small images for tests: layers of made-up files, as an image layout in a folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from casemate.image.layout import Layout
from casemate.image.oci import (
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    manifest_object,
    parse_manifest,
)
from casemate.image.transport import open_source, open_target

__all__ = ["Member", "archive", "copied", "folder", "member", "write_image", "write_index"]

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", mode: int = 0o644, **said: Any) -> Member:
    """A file; `said` are fields of its entry."""
    info = tarfile.TarInfo(name)
    info.mode, info.size = mode, len(content)
    for key, value in said.items():
        setattr(info, key, value)
    return info, content


def folder(name: str, mode: int = 0o755) -> Member:
    return member(name, mode=mode, type=tarfile.DIRTYPE)


def archive(*members: Member) -> bytes:
    """A layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def write_image(
    place: Path,
    tag: str | None,
    layers: Sequence[bytes],
    config: Mapping[str, Any],
    *,
    compress: bool = True,
    **changes: Any,
) -> Descriptor:
    """Puts an image into a layout; `changes` are to its configuration's own fields. Without a tag it gets no name."""
    layout = Layout(place, tag)
    kind = f"{LAYER_TYPE}+gzip" if compress else LAYER_TYPE
    stored = [layout.put_manifest(gzip.compress(layer, mtime=0) if compress else layer, kind) for layer in layers]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    said = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **changes,
    }
    manifest = manifest_object(layout.put_manifest(json.dumps(said).encode(), CONFIG_TYPE), stored)
    descriptor = layout.put_manifest(json.dumps(manifest).encode(), MANIFEST_TYPE)
    if tag is not None:
        layout.finish(descriptor)
    return descriptor


def write_index(place: Path, tag: str, images: Mapping[str, Descriptor]) -> None:
    """Puts an index of images by platform (`linux/arm64`) into a layout."""
    layout = Layout(place, tag)
    entries = [
        {**image.to_object(), "platform": dict(zip(("os", "architecture"), name.split("/"), strict=True))}
        for name, image in images.items()
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    layout.finish(layout.put_manifest(json.dumps(index).encode(), INDEX_TYPE))


def copied(source: str, target: str, scratch: Path) -> tuple[str, int]:
    """Copies an image from place to place: its digest, and how many blobs had to be sent."""
    with open_source(source, scratch=scratch / "from") as read, open_target(target, scratch=scratch / "to") as written:
        descriptor, data = read.top()
        manifest = parse_manifest(data)
        sent = sum(written.put_blob(read.blob(blob), blob) for blob in (manifest.config, *manifest.layers))
        put = written.put_manifest(data, descriptor.media_type)
        written.finish(put)
        return put.digest, sent
