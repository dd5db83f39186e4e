"""From an ordinary OCI image to a protected one.

1. Each layer is fetched, held against the digests of manifest and configuration, and sealed.
2. The image's own files say who its user is and where its program lies.
3. All of that becomes the launch manifest; what looks like a secret goes to the policy.
4. The result is put together: the shield, the sealed layers, and what the shield is started with.

The same source, key, shield and wishes give the same image, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from casemate.errors import ImageRefusedError
from casemate.image import health, launch, shape
from casemate.image.launch import Launch, Wanted
from casemate.image.oci import (
    CONFIG_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    described,
    digest_of,
    manifest_object,
)
from casemate.image.original import Original
from casemate.image.sealing import seal_all
from casemate.image.tool import LIMITS, Image, Limits, Sealed, Tool
from casemate.image.transport import Target
from casemate.tool import Listener
from casemate.wire import canonical

__all__ = ["MAX_LAYERS", "Blob", "Custodian", "Protected", "protect"]

MAX_LAYERS: Final = 125
"""Container engines stack at most 127 layers; two are ours."""
_BY: Final = "casemate image protect"


@dataclass(frozen=True)
class Custodian:
    """Whom the shield asks, and where by default."""

    genesis: bytes
    addresses: Sequence[str] = ()
    statements: Sequence[bytes] = ()


@dataclass(frozen=True)
class Blob:
    """A layer of the result."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Protected:
    """The result, in files of the scratch folder. `layers`: the shield, the sealed ones, what it is started with."""

    launch: Launch
    sealed: Sequence[Sealed]
    layers: Sequence[Blob]
    config: bytes
    manifest: bytes

    def write(self, target: Target, scratch: Path, progress: Listener | None = None) -> tuple[Descriptor, int]:
        """What it is called there, and the bytes of all blobs that were not there yet. Once only: files are moved."""
        config = scratch / "config.json"
        config.write_bytes(self.config)
        blobs = [(LAYER_TYPE, blob) for blob in self.layers] + [(CONFIG_TYPE, _blob(config))]
        total, before, sent = sum(blob.size for _, blob in blobs), 0, 0
        for kind, blob in blobs:
            told = None if progress is None else partial(_onwards, progress, before, total)
            descriptor = Descriptor(media_type=kind, digest=blob.digest, size=blob.size)
            if target.take_blob(blob.path, descriptor, told):
                sent += blob.size
            before += blob.size
        descriptor = target.put_manifest(self.manifest, MANIFEST_TYPE)
        target.finish(descriptor)
        return descriptor, sent


def _onwards(progress: Listener, before: int, total: int, done: int, _of: int) -> None:
    progress(before + done, total)


def protect(
    original: Original,
    wanted: Wanted,
    *,
    key: str | None,
    custodian: Custodian,
    shield: Path,
    tool: Tool,
    scratch: Path,
    limits: Limits = LIMITS,
    progress: Listener | None = None,
) -> Protected:
    """Errors: ImageError and those below it, ManifestError, PlatformError."""
    layers = original.distinct()
    if len(layers) > MAX_LAYERS:
        raise ImageRefusedError(
            f"the image has {len(layers)} layers",
            step="image.layers",
            expected=f"at most {MAX_LAYERS}",
            remedy="build it with fewer, for instance with --squash",
        )
    blobs = _once(seal_all(layers, tool=tool, key=key, scratch=scratch, limits=limits, progress=progress))
    sealed = [one for _, one in blobs]
    image = Image([(path, one.root) for path, one in blobs], key)
    found = tool.look(image, launch.questions(original.settings))
    made = launch.make(original.settings, wanted, [one.root for one in sealed], found)
    shape.write_shield(scratch / "shield.tar", shield)
    start = shape.Start(made.parsed, custodian.genesis, custodian.addresses, custodian.statements)
    shape.write_start(scratch / "start.tar", start)
    parts = [
        _blob(scratch / "shield.tar"),
        *(Blob(path, one.digest, one.size) for path, one in blobs),
        _blob(scratch / "start.tar"),
    ]
    config = _config(original, made, parts)
    return Protected(made, sealed, parts, config, _manifest(parts, config))


def _once(blobs: Sequence[tuple[Path, Sealed]]) -> list[tuple[Path, Sealed]]:
    """Different archives can have one content, and one root: as for layers that come again, the upper one stays."""
    last = {one.root: number for number, (_, one) in enumerate(blobs)}
    return [blob for number, blob in enumerate(blobs) if last[blob[1].root] == number]


def _blob(path: Path) -> Blob:
    found = described(path, LAYER_TYPE)
    return Blob(path, found.digest, found.size)


def _config(original: Original, made: Launch, layers: Sequence[Blob]) -> bytes:
    """Layers are not compressed, so each blob's digest is its `diff_id`."""
    settings = dict(original.visible, Entrypoint=list(shape.ENTRYPOINT))
    check = original.settings.health
    if check is not None and made.parsed.manifest.health is not None:
        settings[health.FIELD] = check.question()
    return canonical.encode(
        {
            "created": original.created,
            "architecture": original.architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created": original.created, "created_by": _BY} for _ in layers],
        }
    )


def _manifest(layers: Sequence[Blob], config: bytes) -> bytes:
    configured = Descriptor(media_type=CONFIG_TYPE, digest=digest_of(config), size=len(config))
    listed = [Descriptor(media_type=LAYER_TYPE, digest=one.digest, size=one.size) for one in layers]
    return canonical.encode(manifest_object(configured, listed))
