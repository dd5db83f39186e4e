"""Where images are: read from a source, written to a target. Everything that comes is held against its digest, unless
somebody says that another one does so who knows better: `unverified_blob`.

oci:FOLDER[:TAG]                      an image layout in a folder (OCI image specification, "Image Layout")
oci-archive:FILE[:TAG]                the same in an archive
docker-archive:FILE[:NAME:TAG]        what `docker save` writes and `docker load` reads
docker://HOST[:PORT]/NAME[:TAG]       a registry (OCI distribution specification)
containers-storage:NAME[:TAG]         what Podman has, by way of skopeo
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from casemate.image import archives, docker_archive, storage
from casemate.image.layout import Layout
from casemate.image.oci import Descriptor
from casemate.image.places import Archive, Folder, Reference, Storage, parse
from casemate.tool import Listener

if TYPE_CHECKING:
    from casemate.image.registry.images import RegistryImage

__all__ = ["Source", "Target", "open_source", "open_target"]


class Source(Protocol):
    """An image, or an index of several, to be read."""

    def top(self) -> tuple[Descriptor, bytes]:
        """What the name stands for: an index or a manifest."""

    def manifest(self, descriptor: Descriptor) -> bytes:
        """A manifest of an index."""

    def content(self, descriptor: Descriptor, limit: int) -> bytes:
        """A blob of no more than `limit` bytes: the very bytes that were held against the digest."""

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        """A file with a layer. Its folder's owner may change it afterwards: whatever reads it verifies it again."""

    def unverified_blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        """The same for who holds all that is read of it against something that binds it as well: a shield against the
        layer's root, a sealer against `diff_id`. Of what lies in a folder only the size is looked at.
        """


class Target(Protocol):
    """Where an image is written, children first."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a blob is there already, as far as the target's keeper can be believed."""

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        """Whether it had to be sent."""

    def take_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        """The same, of a file that we hashed as we wrote it and need no more: it may be moved."""

    def put_manifest(self, data: bytes, media_type: str) -> Descriptor:
        """Of one image."""

    def finish(self, descriptor: Descriptor) -> None:
        """Gives it its name."""


@contextmanager
def open_source(text: str, *, scratch: Path) -> Iterator[Source]:
    """What is fetched lies in `scratch` meanwhile. Errors: UsageError, ImageError and those below it."""
    match parse(text):
        case Folder(path, tag):
            yield Layout(path, tag)
        case Archive(path, tag, of_docker=False):
            yield archives.unpacked(path, tag, scratch / "archive")
        case Archive(path, name, of_docker=True):
            yield docker_archive.unpacked(path, name, scratch / "archive")
        case Storage(name):
            yield storage.fetched(name, scratch / "storage")
        case Reference() as reference:
            with _registry(reference, scratch) as image:
                yield image


@contextmanager
def open_target(text: str, *, scratch: Path) -> Iterator[Target]:
    """Archives and engines get the image when the context ends without an error. Errors: as `open_source`."""
    folder = scratch / "target"
    match parse(text):
        case Folder(path, tag):
            yield Layout(path, tag)
        case Archive(path, tag, of_docker=False):
            made = Layout(folder, tag)
            yield made
            archives.pack(made, path)
        case Archive(path, name, of_docker=True):
            made = Layout(folder, None)
            yield made
            docker_archive.pack(made, path, name)
        case Storage(name):
            made = Layout(folder, storage.TAG)
            yield made
            storage.store(made, name)
        case Reference() as reference:
            with _registry(reference, scratch) as image:
                yield image


def _registry(reference: Reference, scratch: Path) -> AbstractContextManager[RegistryImage]:
    from casemate.image.registry.images import RegistryImage  # slow, and most images lie on this machine

    return RegistryImage.opened(reference, scratch)
