"""From what a source holds to an image that can be protected, or opened again.

Of an index for several architectures one image is taken. Those of architectures without a shield are refused, unless
somebody says which one is meant.
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
from casemate.image.transport import Source
from casemate.tool import Listener

__all__ = ["ARCHITECTURES", "Read", "choose"]

ARCHITECTURES: Final = ("amd64",)
"""Those that have a shield."""
_SYSTEM: Final = "linux"
_NO_IMAGE: Final = "unknown"
"""The architecture that builders give to what they say about images."""
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True)
class Read:
    """One image. `passed_by`: the other architectures that its index has."""

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
        descriptor, passed_by = _of_index(oci.parse_index(data, descriptor.media_type), architecture)
        data = source.manifest(descriptor)
    manifest = oci.parse_manifest(data, descriptor.media_type)
    check_config(manifest.config)
    config_data = source.content(manifest.config, oci.MAX_DOCUMENT_BYTES)
    config = oci.parse_config(config_data)
    if config.os != _SYSTEM or config.architecture not in ARCHITECTURES:
        raise _no_shield([f"{config.os}/{config.architecture}"])
    return Read(source, descriptor.digest, data, manifest, config, config_data, passed_by)


def _of_index(index: oci.Index, architecture: str | None) -> tuple[oci.Descriptor, list[str]]:
    images = [
        entry
        for entry in index.manifests
        if entry.media_type in oci.MANIFEST_TYPES and not (entry.platform and entry.platform.os == _NO_IMAGE)
    ]
    names = [_platform(entry) for entry in images]
    if architecture is not None:
        images = [entry for entry, name in zip(images, names, strict=True) if name.split("/")[1:2] == [architecture]]
    with_shield = [entry for entry in images if _platform(entry).split("/")[1:2] in [[one] for one in ARCHITECTURES]]
    if len(with_shield) != 1 or len(images) != 1:
        raise _no_shield(names)
    return with_shield[0], [name for name in names if name != _platform(with_shield[0])]


def _platform(entry: oci.Descriptor) -> str:
    """As `linux/amd64`; nothing said is what this runs on."""
    said = entry.platform or oci.Platform(os=_SYSTEM, architecture=ARCHITECTURES[0])
    return "/".join(part for part in (said.os, said.architecture, said.variant) if part)


def _no_shield(got: Sequence[str]) -> ImageRefusedError:
    return ImageRefusedError(
        "no shield for all that this image is for",
        step="image.architecture",
        expected=", ".join(f"{_SYSTEM}/{one}" for one in ARCHITECTURES),
        got=", ".join(got)[:300] or "nothing",
        remedy=f"protect the one that has a shield with --arch {ARCHITECTURES[0]}, if it is there",
    )


def _time(text: str | None) -> str:
    return text if text is not None and _TIME.fullmatch(text) else EPOCH


def _visible(said: oci.Execution) -> dict[str, object]:
    found: dict[str, object | None] = dict(
        zip(VISIBLE, (said.labels, {port: {} for port in said.exposed_ports or ()}, said.stop_signal), strict=True)
    )
    return {name: value for name, value in found.items() if value}
