"""Images in a folder (OCI image specification, "Image Layout Specification")."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from casemate.errors import ImageError, ImageRefusedError, UsageError
from casemate.image.oci import (
    INDEX_TYPE,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_DOCUMENT_BYTES,
    Descriptor,
    check,
    digest_of,
    parse_index,
)
from casemate.tool import Listener

__all__ = ["Layout"]

_VERSION: Final = {"imageLayoutVersion": "1.0.0"}
_TAG: Final = "org.opencontainers.image.ref.name"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Layout:
    """One name in a layout. Every call raises ImageError and those below it."""

    folder: Path
    tag: str | None

    def top(self) -> tuple[Descriptor, bytes]:
        try:
            data = _read(self.folder / "index.json")
        except OSError as error:
            raise UsageError(f"{self.folder} is no image layout: {error.strerror}") from error
        parse_index(data)
        named = [entry for entry in json.loads(data)["manifests"] if self.tag in {None, _name(entry)}]
        if len(named) != 1:
            raise UsageError(
                f"{self.folder} has {len(named) or 'no'} images called {self.tag or 'anything'}",
                remedy="name one: oci:FOLDER:TAG",
            )
        descriptor = Descriptor.model_validate(named[0])
        return descriptor, self.manifest(descriptor)

    def manifest(self, descriptor: Descriptor) -> bytes:
        if descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES or descriptor.size > MAX_DOCUMENT_BYTES:
            raise ImageRefusedError("this is no image", step="image.document", got=descriptor.media_type[:200])
        path = self._path(descriptor.digest)
        try:
            data = _read(path)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}", step="image.read") from error
        check(descriptor, digest_of(data), len(data))
        return data

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        path = self._path(descriptor.digest)
        try:
            _check(path, descriptor, progress)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}", step="image.read") from error
        return path

    def has(self, digest: str, size: int) -> bool:
        path = self._path(digest)
        return path.is_file() and path.stat().st_size == size

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        if self.has(descriptor.digest, descriptor.size):
            return False
        target = self._path(descriptor.digest)
        temporary = _beside(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, temporary)
            _check(temporary, descriptor, progress)
            _flush(temporary)
            temporary.replace(target)
        except OSError as error:
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def put_manifest(self, data: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
        try:
            _replace(self._path(descriptor.digest), data)
        except OSError as error:
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error
        return descriptor

    def finish(self, descriptor: Descriptor) -> None:
        entry: dict[str, Any] = descriptor.model_dump(by_alias=True, exclude_none=True)
        if self.tag is not None:
            entry["annotations"] = {_TAG: self.tag}
        try:
            with _alone(self.folder):
                others = [other for other in self._entries() if _name(other) != self.tag]
                self._write([*others, entry])
        except OSError as error:
            raise ImageError(f"{self.folder}: {error.strerror}", step="image.write") from error

    def blobs(self) -> list[str]:
        """Hexadecimal digests of all that is there."""
        return [path.name for path in (self.folder / "blobs" / "sha256").iterdir() if not path.name.startswith(".")]

    def _entries(self) -> list[dict[str, Any]]:
        index = self.folder / "index.json"
        if not index.exists():
            return []
        data = _read(index)
        parse_index(data)
        entries: list[dict[str, Any]] = json.loads(data)["manifests"]
        return entries

    def _write(self, entries: list[dict[str, Any]]) -> None:
        _replace(self.folder / "oci-layout", json.dumps(_VERSION).encode())
        said = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        _replace(self.folder / "index.json", json.dumps(said, indent=1).encode())

    def _path(self, digest: str) -> Path:
        algorithm, _, name = digest.partition(":")
        return self.folder / "blobs" / algorithm / name


def _name(entry: dict[str, Any]) -> str | None:
    name = (entry.get("annotations") or {}).get(_TAG)
    return name if isinstance(name, str) else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two that write into one layout do so one after the other; the kernel lets go when a process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        temporary.write_bytes(data)
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{uuid4().hex}")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT_BYTES + 1)


def _check(path: Path, descriptor: Descriptor, progress: Listener | None) -> None:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, descriptor.size)
    check(descriptor, f"sha256:{digest.hexdigest()}", done)
