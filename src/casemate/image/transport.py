"""Where images are: read from a source, written to a target. Everything that comes is held against its digest.

oci:FOLDER[:TAG]    an image layout in a folder (OCI image specification, "Image Layout")
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from casemate.errors import UsageError
from casemate.image.layout import Layout
from casemate.image.oci import Descriptor
from casemate.tool import Listener

__all__ = ["Source", "Target", "open_source", "open_target"]

_FORM: Final = re.compile(r"oci:(?P<folder>[^:]+)(?::(?P<tag>[A-Za-z0-9._-]{1,128}))?")


class Source(Protocol):
    """An image, or an index of several, to be read."""

    def top(self) -> tuple[Descriptor, bytes]:
        """What the name stands for: an index or a manifest."""

    def manifest(self, descriptor: Descriptor) -> bytes:
        """A manifest of an index."""

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        """A file with a configuration or a layer."""


class Target(Protocol):
    """Where an image is written, children first."""

    def has(self, digest: str, size: int) -> bool:
        """Whether a blob is there already."""

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        """Whether it had to be sent."""

    def put_manifest(self, data: bytes, media_type: str) -> Descriptor:
        """Of one image."""

    def finish(self, descriptor: Descriptor) -> None:
        """Gives it its name."""


@contextmanager
def open_source(text: str, *, scratch: Path, platform: str | None = None) -> Iterator[Source]:  # noqa: ARG001
    """Errors: UsageError, ImageError and those below it."""
    yield _layout(text)


@contextmanager
def open_target(text: str, *, scratch: Path) -> Iterator[Target]:  # noqa: ARG001
    """Errors: as `open_source`."""
    yield _layout(text)


def _layout(text: str) -> Layout:
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError("not a place of an image", expected="oci:FOLDER:TAG", got=text[:300])
    return Layout(Path(match["folder"]).absolute(), match["tag"])
