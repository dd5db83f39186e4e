"""One image of a registry, as a source and as a target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import httpx

from casemate.errors import ImageError, ImageRefusedError, ImageTamperedError, UsageError
from casemate.image.oci import INDEX_TYPES, MANIFEST_TYPES, MAX_DOCUMENT_BYTES, Descriptor, check, digest_of
from casemate.image.places import Reference
from casemate.image.registry.connection import Answer, Connection, limited
from casemate.image.registry.credentials import find
from casemate.tool import Listener

__all__ = ["RegistryImage"]

_CHUNK: Final = 1 << 20
_ACCEPTED: Final = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))


class RegistryImage:
    """Blobs are fetched once, into a folder. Every call raises ImageError and those below it."""

    def __init__(self, reference: Reference, connection: Connection, folder: Path) -> None:
        self._reference = reference
        self._connection = connection
        self._folder = folder
        self._manifests: dict[str, bytes] = {}

    @classmethod
    @contextmanager
    def opened(cls, reference: Reference, scratch: Path) -> Iterator[RegistryImage]:
        connection = Connection(reference, find(reference))
        try:
            yield cls(reference, connection, scratch / "registry")
        finally:
            connection.close()

    def top(self) -> tuple[Descriptor, bytes]:
        wanted = self._reference.wanted
        media_type, data, said = self._fetch(wanted)
        digest = digest_of(data)
        # A tag is the registry's word. What it says beside it must be the same word.
        for expected in (said, wanted if ":" in wanted else None):
            if expected is not None and expected != digest:
                raise _differs(expected, digest)
        return Descriptor(media_type=media_type, digest=digest, size=len(data)), data

    def manifest(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > MAX_DOCUMENT_BYTES:
            raise _too_large()
        media_type, data, _ = self._fetch(descriptor.digest)
        check(descriptor, digest_of(data), len(data))
        if media_type != descriptor.media_type:
            raise ImageRefusedError(
                "the registry says that a manifest is something else than its index says", step="image.document",
                expected=descriptor.media_type[:200], got=media_type,
            )  # fmt: skip
        return data

    def content(self, descriptor: Descriptor, limit: int) -> bytes:
        if descriptor.size > limit:
            raise _too_large()
        # Nobody else writes into this folder.
        return self.blob(descriptor).read_bytes()

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        # One digest under two sizes is two blobs, of which one is none.
        path = self._folder / f"{descriptor.digest.removeprefix('sha256:')}-{descriptor.size}"
        if path.exists():
            return path
        partial = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._download(descriptor, partial, progress)
            partial.replace(path)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}", step="image.read") from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def unverified_blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        """It is held against its digest as it comes, too."""
        return self.blob(descriptor, progress)

    def has(self, descriptor: Descriptor) -> bool:
        answer = self._connection.head(self._connection.url(f"blobs/{descriptor.digest}"))
        size = str(descriptor.size)
        return answer.status == httpx.codes.OK and answer.headers.get("content-length", size) == size

    def take_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        return self.put_blob(path, descriptor, progress)

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        if self.has(descriptor):
            return False
        started = self._connection.send("POST", url := self._connection.url("blobs/uploads/"), {"content-length": "0"})
        if started.status != httpx.codes.ACCEPTED or "location" not in started.headers:
            raise self._refused(started, "takes no layer")
        place = self._connection.beside(started.headers["location"], url)
        place = place.copy_merge_params({"digest": descriptor.digest})
        headers = {"content-length": str(descriptor.size), "content-type": "application/octet-stream"}
        sent = self._connection.send("PUT", place, headers, lambda: _read(path, descriptor, progress))
        if sent.status != httpx.codes.CREATED:
            raise self._refused(sent, "does not take a layer")
        return True

    def put_manifest(self, data: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
        self._manifests[descriptor.digest] = data
        self._put(descriptor.digest, descriptor)
        return descriptor

    def finish(self, descriptor: Descriptor) -> None:
        wanted = self._reference.wanted
        if ":" not in wanted:
            self._put(wanted, descriptor)
        elif wanted != descriptor.digest:
            raise UsageError(
                "the image is another one than its name says", expected=wanted, got=descriptor.digest,
                remedy="write it to a tag: docker://HOST/NAME:TAG",
            )  # fmt: skip

    def _put(self, name: str, descriptor: Descriptor) -> None:
        data = self._manifests[descriptor.digest]
        headers = {"content-type": descriptor.media_type}
        answer = self._connection.send("PUT", self._connection.url(f"manifests/{name}"), headers, lambda: iter((data,)))
        if answer.status != httpx.codes.CREATED:
            raise self._refused(answer, "does not take the image")

    def _fetch(self, wanted: str) -> tuple[str, bytes, str | None]:
        """A manifest's type, its bytes, and the digest that the registry says it has."""

        def take(response: httpx.Response) -> tuple[str, bytes, str | None]:
            if response.status_code != httpx.codes.OK:
                raise self._refused(_answer(response), "does not give the image")
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
            if media_type not in INDEX_TYPES | MANIFEST_TYPES:
                raise ImageRefusedError("this is no image", step="image.document", got=media_type[:200])
            return media_type, limited(response, MAX_DOCUMENT_BYTES), response.headers.get("docker-content-digest")

        return self._connection.get(self._connection.url(f"manifests/{wanted}"), take, {"accept": _ACCEPTED})

    def _download(self, descriptor: Descriptor, path: Path, progress: Listener | None) -> None:
        def take(response: httpx.Response) -> None:
            if response.status_code != httpx.codes.OK:
                raise self._refused(_answer(response), "lacks a part of the image")
            with path.open("wb") as out:
                _take(response, descriptor, out, progress)

        self._connection.get(self._connection.url(f"blobs/{descriptor.digest}"), take)

    def _refused(self, answer: Answer, what: str) -> ImageError:
        return answer.refused(f"{self._reference.host} {what} ({self._reference})")


def _take(response: httpx.Response, descriptor: Descriptor, out: IO[bytes], progress: Listener | None) -> None:
    digest, done = hashlib.sha256(), 0
    for chunk in response.iter_raw(_CHUNK):
        done += len(chunk)
        if done > descriptor.size:
            raise ImageTamperedError(
                "a blob is longer than its manifest says", step="image.digest", expected=f"{descriptor.size} bytes"
            )
        digest.update(chunk)
        out.write(chunk)
        if progress is not None:
            progress(done, descriptor.size)
    check(descriptor, f"sha256:{digest.hexdigest()}", done)


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, limited(response, MAX_DOCUMENT_BYTES))


def _read(path: Path, descriptor: Descriptor, progress: Listener | None) -> Iterator[bytes]:
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            done += len(chunk)
            if progress is not None:
                progress(done, descriptor.size)


def _too_large() -> ImageRefusedError:
    return ImageRefusedError("a document of the image is too large", step="image.document")


def _differs(expected: str, got: str) -> ImageError:
    if not expected.startswith("sha256:"):
        return ImageRefusedError(
            "the registry names the image by another hash than sha256, the only one that is read",
            step="image.digest", got=expected[:100],
        )  # fmt: skip
    return ImageTamperedError(
        "what came is not what its digest says", step="image.digest", expected=expected[:100], got=got
    )
