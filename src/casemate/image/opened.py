"""Reading a protected image: what it is to everybody who has it, and to whoever has its key.

1. It has the form that `casemate image protect` writes, and no other; every blob's digest was verified before.
2. The manifest in it is one, and says an image of as many layers.
3. Each sealed layer is the one that the manifest names in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from casemate.errors import ImageTamperedError
from casemate.image import health, shape
from casemate.image.oci import CONFIG_TYPE, LAYER_TYPE, decode
from casemate.image.shape import Start
from casemate.image.tool import Image
from casemate.wire.manifest import Image as Layers

__all__ = ["VISIBLE", "Opened", "Part", "open_image"]

VISIBLE: Final = ("Labels", "ExposedPorts", "StopSignal")
"""Of the configuration of the image that was protected."""
_HEAD: Final = 1536
"""Where the content begins in a blob with a sealed layer (spec/image-format.md)."""
_NAME: Final = 1024
_FOLDER: Final = b"casemate/layers/"


@dataclass(frozen=True)
class Part:
    """A blob. `root`: of the sealed layer in it."""

    digest: str
    size: int
    root: str | None = None


Fetch = Callable[[Part], Path]
"""Brings a blob's file; what came had its size, and its digest, unless a shield verifies what it reads of it."""
Content = Callable[[Part, int], bytes]
"""Brings a blob's bytes, not more than so many: those that have its digest."""


@dataclass(frozen=True)
class Opened:
    """`sealed` from the bottom up."""

    start: Start
    image: Layers
    shield: Part
    sealed: Sequence[Part]
    last: Part
    visible: Mapping[str, Any]
    question: Mapping[str, Any] | None
    """How a container engine asks for the health check."""
    created: str
    architecture: str

    def readable(self, fetch: Fetch, key: str | None) -> Image:
        """All layers, fetched. Errors: ImageTamperedError where a blob holds another layer."""
        return Image([(path, root) for root, path in self.files(fetch).items()], key)

    def files(self, fetch: Fetch) -> dict[str, Path]:
        """The same, by root, from the bottom up."""
        return {str(part.root): self._checked(part, fetch) for part in self.sealed}

    def _checked(self, part: Part, fetch: Fetch) -> Path:
        path = fetch(part)
        if _name_in(path) != part.root:
            raise ImageTamperedError(
                "a blob holds another layer than the manifest names in its place",
                step="image.layers",
                expected=part.root,
                got=_name_in(path) or "none",
                remedy="get the image from who protected it",
            )
        return path


def open_image(manifest: bytes, config: bytes, content: Content) -> Opened:
    """Errors: ImageRefusedError, InputError for a launch manifest that is none."""
    layers, said = _layers(manifest), _object(config)
    visible, question = _visible(said, [part.digest for part in layers])
    last = layers[-1]
    start = shape.read_start(content(last, shape.MAX_LAUNCH_BYTES))
    image = start.manifest.manifest.image
    if image is None or len(image.layers) != len(layers) - 2:
        raise shape.unknown()
    if (start.manifest.manifest.health is None) is not (question is None):
        raise shape.unknown()
    sealed = [Part(part.digest, part.size, root) for part, root in zip(layers[1:-1], image.layers, strict=True)]
    return Opened(
        start,
        image,
        layers[0],
        sealed,
        last,
        visible,
        question,
        str(said.get("created")),
        str(said.get("architecture")),
    )


def _layers(manifest: bytes) -> list[Part]:
    match _object(manifest):
        case {"config": {"mediaType": str(kind)}, "layers": list(layers)} if kind == CONFIG_TYPE and len(layers) > 2:
            return [_part(layer) for layer in layers]
    raise shape.unknown()


def _part(layer: object) -> Part:
    match layer:
        case {"mediaType": str(kind), "digest": str(digest), "size": int(size)} if kind == LAYER_TYPE:
            return Part(digest, size)
    raise shape.unknown()


def _visible(config: Mapping[str, Any], digests: Sequence[str]) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """What the configuration shows, and how an engine asks for the health check. What would make an engine start
    anything else than the shield is refused.
    """
    match config:
        case {"config": dict(settings), "rootfs": {"diff_ids": list(diff_ids)}} if diff_ids == list(digests):
            question = settings.get(health.FIELD)
            others = set(settings) - {"Entrypoint", health.FIELD, *VISIBLE}
            asks_us = health.FIELD not in settings or health.is_question(question)
            if settings.get("Entrypoint") == list(shape.ENTRYPOINT) and asks_us and not others:
                return {name: settings[name] for name in VISIBLE if name in settings}, question
    raise shape.unknown()


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = decode(data)
    except ValueError as error:
        raise shape.unknown() from error
    if not isinstance(value, dict):
        raise shape.unknown()
    return value


def _name_in(blob: Path) -> str | None:
    """The root that a blob says it holds. In somebody's folder it may have become a link or a pipe meanwhile."""
    try:
        with open(blob, "rb", opener=_without_waiting) as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    name = (head or b"")[_NAME : _NAME + 100].rstrip(b"\0")
    return f"sha256:{name.removeprefix(_FOLDER).decode('ascii', 'replace')}" if name.startswith(_FOLDER) else None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
