"""Images in a folder (OCI image specification, "Image Layout Specification").

The folder may be somebody else's, who changes it while it is read: see `guarded`. What is written there is whole or not
there at all, also after `kill -9`, and several may write at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from casemate.errors import ImageError, ImageRefusedError, ImageTamperedError, UsageError
from casemate.image.guarded import Guarded
from casemate.image.oci import (
    INDEX_TYPE,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_DOCUMENT_BYTES,
    Descriptor,
    check,
    decode,
    digest_of,
    parse_index,
)
from casemate.tool import Listener

__all__ = ["Layout"]

_VERSION: Final = {"imageLayoutVersion": "1.0.0"}
_INDEX: Final = "index.json"
_BLOBS: Final = "blobs/sha256"
_TAG: Final = "org.opencontainers.image.ref.name"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Layout:
    """One name in a layout. Every call raises ImageError and those below it."""

    folder: Path
    tag: str | None

    def top(self) -> tuple[Descriptor, bytes]:
        try:
            data = self._files.read(_INDEX, MAX_DOCUMENT_BYTES)
        except OSError as error:
            raise UsageError(f"{self.folder} is no image layout: {error.strerror}") from error
        named = [entry for entry in parse_index(data).manifests if self.tag in {None, _name(entry)}]
        if len(named) != 1:
            raise UsageError(
                f"{self.folder} has {len(named) or 'no'} images called {self.tag or 'anything'}",
                remedy="name one: oci:FOLDER:TAG",
            )
        return named[0], self.manifest(named[0])

    def manifest(self, descriptor: Descriptor) -> bytes:
        if descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            raise ImageRefusedError("this is no image", step="image.document", got=descriptor.media_type[:200])
        return self.content(descriptor, MAX_DOCUMENT_BYTES)

    def content(self, descriptor: Descriptor, limit: int) -> bytes:
        if descriptor.size > limit:
            raise ImageRefusedError("a document of the image is too large", step="image.document")
        with self._reading(descriptor) as file:
            data = file.read(descriptor.size + 1)
        check(descriptor, digest_of(data), len(data))
        return data

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        with self._reading(descriptor) as file:
            _check(file, descriptor, progress)
        return self._path(descriptor.digest)

    def unverified_blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        with self._reading(descriptor):
            if progress is not None:
                progress(descriptor.size, descriptor.size)
            return self._path(descriptor.digest)

    def has(self, descriptor: Descriptor) -> bool:
        try:
            self.blob(descriptor)
        except ImageError:
            # Whatever else is there gives way to what is written.
            return False
        return True

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        if self.has(descriptor):
            return False
        with path.open("rb") as file, self._writing(lambda: _hex(descriptor.digest)) as out:
            _check(file, descriptor, progress, out)
        return True

    def take_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        if self.has(descriptor):
            return False
        if not self._moved(path, descriptor):
            return self.put_blob(path, descriptor, progress)
        if progress is not None:
            progress(descriptor.size, descriptor.size)
        return True

    def put_new(self, pieces: Iterable[bytes], media_type: str) -> Descriptor:
        """What comes, under its own digest."""
        digest, size = hashlib.sha256(), 0
        with self._writing(digest.hexdigest) as out:
            for piece in pieces:
                digest.update(piece)
                size += out.write(piece)
        return Descriptor(media_type=media_type, digest=f"sha256:{digest.hexdigest()}", size=size)

    def put_manifest(self, data: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
        with self._writing(lambda: _hex(descriptor.digest)) as out:
            out.write(data)
        return descriptor

    def finish(self, descriptor: Descriptor) -> None:
        entry = descriptor.to_object()
        if self.tag is not None:
            entry["annotations"] = {_TAG: self.tag}
        try:
            with _locked(self.folder, fcntl.LOCK_EX):
                self._files.sweep("", _BLOBS)
                self._write([*self._others(), entry])
        except OSError as error:
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error

    def blobs(self) -> list[str]:
        """Hexadecimal digests of all that is there."""
        return [path.name for path in (self.folder / _BLOBS).iterdir() if not path.name.startswith(".")]

    @property
    def _files(self) -> Guarded:
        return Guarded(self.folder)

    @contextmanager
    def _reading(self, descriptor: Descriptor) -> Iterator[IO[bytes]]:
        try:
            with self._files.opened(f"{_BLOBS}/{_hex(descriptor.digest)}") as file:
                if (size := os.fstat(file.fileno()).st_size) != descriptor.size:
                    raise ImageTamperedError(
                        "a blob is not what its digest says: it has another size", step="image.digest",
                        expected=f"{descriptor.digest}, {descriptor.size} bytes", got=f"{size} bytes",
                    )  # fmt: skip
                yield file
        except OSError as error:
            raise ImageError(f"{self._path(descriptor.digest)}: {error.strerror}", step="image.read") from error

    @contextmanager
    def _writing(self, name: Callable[[], str]) -> Iterator[IO[bytes]]:
        """A blob. Others may write as well, but nobody tidies up."""
        try:
            with _locked(self.folder, fcntl.LOCK_SH), self._files.replacing(_BLOBS, name) as out:
                yield out
        except OSError as error:
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error

    def _moved(self, path: Path, descriptor: Descriptor) -> bool:
        """Whether the file could become the blob: it lies on the same file system."""
        try:
            with _locked(self.folder, fcntl.LOCK_SH):
                self._files.adopt(path, _BLOBS, _hex(descriptor.digest))
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error
        return True

    def _others(self) -> list[dict[str, Any]]:
        """The entries of all other names, with what we do not understand of them."""
        try:
            data = self._files.read(_INDEX, MAX_DOCUMENT_BYTES)
        except FileNotFoundError:
            return []
        pairs = zip(parse_index(data).manifests, decode(data)["manifests"], strict=True)
        return [raw for entry, raw in pairs if _name(entry) != self.tag]

    def _write(self, entries: list[dict[str, Any]]) -> None:
        self._put("oci-layout", _VERSION)
        self._put(_INDEX, {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})

    def _put(self, name: str, value: Mapping[str, Any]) -> None:
        with self._files.replacing("", lambda: name) as out:
            out.write(json.dumps(value, indent=1).encode())

    def _path(self, digest: str) -> Path:
        return self.folder / _BLOBS / _hex(digest)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _name(entry: Descriptor) -> str | None:
    return (entry.annotations or {}).get(_TAG)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Until a process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _check(file: IO[bytes], descriptor: Descriptor, progress: Listener | None, copy: IO[bytes] | None = None) -> None:
    """Reads no more than the descriptor says, and one byte."""
    digest, left = hashlib.sha256(), descriptor.size + 1
    while chunk := file.read(min(_CHUNK, left)):
        digest.update(chunk)
        left -= len(chunk)
        if copy is not None:
            copy.write(chunk)
        if progress is not None:
            progress(min(descriptor.size, descriptor.size + 1 - left), descriptor.size)
    check(descriptor, f"sha256:{digest.hexdigest()}", descriptor.size + 1 - left)
