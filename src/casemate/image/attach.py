"""Release statements into a protected image: they name its manifest, so they come after it.

Only the layer that a shield is started with changes. Manifest, sealed layers and shield stay what they are, so what a
policy admits stays the same, and a registry gets a few kilobytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from casemate.errors import ImageRefusedError
from casemate.image import shape
from casemate.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Descriptor
from casemate.image.opened import Opened, Part
from casemate.image.reading import Read
from casemate.image.transport import Target
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.statements import MAX_STATEMENTS

__all__ = ["Attached", "attach"]


@dataclass(frozen=True)
class Attached:
    """`files` are those that are new; all other blobs are the source's."""

    read: Read
    manifest: bytes
    files: dict[str, Path]

    def write(self, target: Target) -> tuple[Descriptor, int]:
        """What it is called there, and the bytes of all blobs that were not there yet."""
        said = json.loads(self.manifest)
        sent = 0
        for kind, one in [*((LAYER_TYPE, layer) for layer in said["layers"]), (CONFIG_TYPE, said["config"])]:
            digest, size = one["digest"], one["size"]
            descriptor = Descriptor(media_type=kind, digest=digest, size=size)
            if target.has(descriptor):
                continue
            path = self.files.get(digest) or self.read.fetch(Part(digest, size))
            if target.put_blob(path, descriptor):
                sent += size
        written = target.put_manifest(self.manifest, MANIFEST_TYPE)
        target.finish(written)
        return written, sent


def attach(read: Read, opened: Opened, statements: Sequence[bytes], scratch: Path) -> Attached:
    """The image with exactly `statements`. Errors: ImageRefusedError for more than a shield takes."""
    if len(statements) > MAX_STATEMENTS:
        raise ImageRefusedError(
            "too many release statements",
            step="image.statements",
            expected=f"at most {MAX_STATEMENTS}",
            got=str(len(statements)),
            remedy="leave out those of old versions",
        )
    last = scratch / "start.tar"
    shape.write_start(last, dataclasses.replace(opened.start, statements=tuple(statements)))
    with last.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    config, manifest = json.loads(read.config_data), json.loads(read.data)
    config["rootfs"]["diff_ids"][-1] = digest
    config_data = canonical.encode(config)
    manifest["layers"][-1] |= {"digest": digest, "size": last.stat().st_size}
    manifest["config"] |= {"digest": sha256_text(config_data), "size": len(config_data)}
    file_of_config = scratch / "attached.json"
    file_of_config.write_bytes(config_data)
    files = {digest: last, sha256_text(config_data): file_of_config}
    return Attached(read, canonical.encode(manifest), files)
