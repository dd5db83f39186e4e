"""Release statements into a protected image: they name its manifest, so they come after it.

Only the layer that a shield is started with changes. Manifest, sealed layers and shield stay what they are, so what a
policy admits stays the same, and a registry gets a few kilobytes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from casemate.errors import ImageRefusedError
from casemate.image import shape
from casemate.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Descriptor, described, manifest_object
from casemate.image.opened import Opened, Part
from casemate.image.reading import Read
from casemate.image.transport import Target
from casemate.wire import canonical
from casemate.wire.statements import MAX_STATEMENTS

__all__ = ["Attached", "attach"]


@dataclass(frozen=True)
class Attached:
    """`blobs` are all of it, the configuration last; `files` has those that are new, the others are the source's."""

    read: Read
    blobs: Sequence[Descriptor]
    files: Mapping[str, Path]

    def write(self, target: Target) -> tuple[Descriptor, int]:
        """What it is called there, and the bytes of all blobs that were not there yet."""
        sent = 0
        for blob in self.blobs:
            if target.has(blob):
                continue
            path = self.files.get(blob.digest) or self.read.fetch(Part(blob.digest, blob.size))
            if target.put_blob(path, blob):
                sent += blob.size
        *layers, config = self.blobs
        written = target.put_manifest(canonical.encode(manifest_object(config, layers)), MANIFEST_TYPE)
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
    layer = described(last, LAYER_TYPE)
    said = json.loads(read.config_data)
    said["rootfs"]["diff_ids"][-1] = layer.digest
    file_of_config = scratch / "attached.json"
    file_of_config.write_bytes(canonical.encode(said))
    config = described(file_of_config, CONFIG_TYPE)
    files = {layer.digest: last, config.digest: file_of_config}
    return Attached(read, [*read.manifest.layers[:-1], layer, config], files)
