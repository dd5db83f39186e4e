"""From what a source holds to an image that can be protected, or opened again.

Of an index one image is taken: see `several`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import ImageRefusedError
from casemate.image import health, oci
from casemate.image.media import check_config, check_layer
from casemate.image.opened import VISIBLE, Opened, Part, open_image
from casemate.image.original import EPOCH, Layer, Original
from casemate.image.settings import Settings
from casemate.image.several import ARCHITECTURES, SYSTEM, meant, no_shield
from casemate.image.transport import Source
from casemate.tool import Listener

__all__ = ["Read", "choose"]

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True)
class Read:
    """One image. `passed_by`: the other platforms that its index has images for."""

    source: Source
    digest: str
    data: bytes
    manifest: oci.Manifest
    config: oci.Config
    config_data: bytes
    passed_by: Sequence[str] = ()

    def original(self) -> Original:
        """As an image that can be protected. Errors: ImageRefusedError."""
        layers, diff_ids = self.manifest.layers, self.config.rootfs.diff_ids
        if len(layers) != len(diff_ids):
            raise ImageRefusedError(
                "the image's manifest and its configuration have not as many layers",
                step="image.layers",
                expected=str(len(diff_ids)),
                got=str(len(layers)),
            )
        said = self.config.config or oci.Execution()
        return Original(
            architecture=self.config.architecture,
            settings=Settings.read(
                env=said.env or [],
                entrypoint=said.entrypoint or [],
                cmd=said.cmd or [],
                user=said.user or "",
                working_dir=said.working_dir or "",
                volumes=list(said.volumes or ()),
                health=health.read(said.healthcheck, said.shell),
            ),
            layers=[self._layer(layer, diff_id) for layer, diff_id in zip(layers, diff_ids, strict=True)],
            created=_time(self.config.created),
            visible=_visible(said),
        )

    def opened(self) -> Opened:
        """As one that was protected. Errors: those of `open_image`."""
        return open_image(self.data, self.config_data, self.content)

    def fetch(self, part: Part) -> Path:
        """A layer's file."""
        return self.source.blob(self._descriptor(part))

    def fetch_unverified(self, part: Part) -> Path:
        """A layer's file for a shield: see `Source.unverified_blob`."""
        return self.source.unverified_blob(self._descriptor(part))

    def content(self, part: Part, limit: int) -> bytes:
        """A layer's bytes, verified as they were read."""
        return self.source.content(self._descriptor(part), limit)

    def _descriptor(self, part: Part) -> oci.Descriptor:
        return next(layer for layer in self.manifest.layers if (layer.digest, layer.size) == (part.digest, part.size))

    def _layer(self, descriptor: oci.Descriptor, diff_id: str) -> Layer:
        check_layer(descriptor)

        def fetch(progress: Listener | None) -> Path:
            if descriptor.digest == diff_id:
                # Not compressed: whoever seals it holds all of it against the same digest.
                return self.source.unverified_blob(descriptor, progress)
            return self.source.blob(descriptor, progress)

        return Layer(descriptor.size, diff_id, fetch)


def choose(source: Source, architecture: str | None) -> Read:
    """The image that is meant. Errors: ImageError and those below it."""
    descriptor, data = source.top()
    passed_by: Sequence[str] = ()
    if descriptor.media_type in oci.INDEX_TYPES:
        descriptor, passed_by = meant(oci.parse_index(data, descriptor.media_type), architecture)
        data = source.manifest(descriptor)
    manifest = oci.parse_manifest(data, descriptor.media_type)
    check_config(manifest.config)
    config_data = source.content(manifest.config, oci.MAX_DOCUMENT_BYTES)
    config = oci.parse_config(config_data)
    if config.os != SYSTEM or config.architecture not in ARCHITECTURES:
        raise no_shield([f"{config.os}/{config.architecture}"])
    return Read(source, descriptor.digest, data, manifest, config, config_data, passed_by)


def _time(text: str | None) -> str:
    return text if text is not None and _TIME.fullmatch(text) else EPOCH


def _visible(said: oci.Execution) -> dict[str, object]:
    found: dict[str, object | None] = dict(
        zip(VISIBLE, (said.labels, {port: {} for port in said.exposed_ports or ()}, said.stop_signal), strict=True)
    )
    return {name: value for name, value in found.items() if value}
