"""One image of a registry, as a source and as a target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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
                raise _tampered(expected, digest)
        return Descriptor(media_type=media_type, digest=digest, size=len(data)), data

    def manifest(self, descriptor: Descriptor) -> bytes:
        _, data, _ = self._fetch(descriptor.digest)
        check(descriptor, digest_of(data), len(data))
        return data

    def blob(self, descriptor: Descriptor, progress: Listener | None = None) -> Path:
        path = self._folder / descriptor.digest.removeprefix("sha256:")
        if path.exists():
            return path
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        try:
            self._download(descriptor, partial, progress)
            partial.replace(path)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}", step="image.read") from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def has(self, digest: str, size: int) -> bool:
        answer = self._connection.send("HEAD", self._connection.url(f"blobs/{digest}"))
        return answer.status == httpx.codes.OK and answer.headers.get("content-length", str(size)) == str(size)

    def put_blob(self, path: Path, descriptor: Descriptor, progress: Listener | None = None) -> bool:
        if self.has(descriptor.digest, descriptor.size):
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
        url = self._connection.url(f"manifests/{wanted}")
        with self._connection.get(url, {"accept": _ACCEPTED}) as response:
            if response.status_code != httpx.codes.OK:
                raise self._refused(_answer(response), "does not give the image")
            data = limited(response, MAX_DOCUMENT_BYTES)
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
            if media_type not in INDEX_TYPES | MANIFEST_TYPES:
                raise ImageRefusedError("this is no image", step="image.document", got=media_type[:200])
            return media_type, data, response.headers.get("docker-content-digest")

    def _download(self, descriptor: Descriptor, path: Path, progress: Listener | None) -> None:
        digest, done = hashlib.sha256(), 0
        url = self._connection.url(f"blobs/{descriptor.digest}")
        with self._connection.get(url) as response, path.open("xb") as out:
            if response.status_code != httpx.codes.OK:
                raise self._refused(_answer(response), "lacks a part of the image")
            for chunk in response.iter_raw(_CHUNK):
                done += len(chunk)
                if done > descriptor.size:
                    raise ImageTamperedError(
                        "a blob is longer than its manifest says", step="image.digest",
                        expected=f"{descriptor.size} bytes",
                    )  # fmt: skip
                digest.update(chunk)
                out.write(chunk)
                if progress is not None:
                    progress(done, descriptor.size)
        check(descriptor, f"sha256:{digest.hexdigest()}", done)

    def _refused(self, answer: Answer, what: str) -> ImageError:
        return answer.refused(f"{self._reference.host} {what} ({self._reference})")


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


def _tampered(expected: str, got: str) -> ImageTamperedError:
    return ImageTamperedError(
        "what came is not what its digest says", step="image.digest", expected=expected[:100], got=got
    )
