"""Image layouts in archives (`oci-archive:`). The same image is the same archive, to the last byte."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from casemate.errors import ImageError, ImageRefusedError, UsageError
from casemate.image.arising import arising
from casemate.image.layout import Layout
from casemate.image.tar import Archive, Kind

__all__ = ["add_bytes", "add_file", "new_archive", "opened_archive", "pack", "unpacked"]

_MEMBER: Final = re.compile(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}")
_OTHER_HASH: Final = re.compile(r"blobs/[a-z0-9]+/[0-9a-f]+")
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zX")
"""How gzip, zstd, bzip2 and xz begin."""
_REGULAR: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def unpacked(path: Path, tag: str | None, folder: Path) -> Layout:
    """The archive's layout, in a new folder. Blobs are held against their digests when they are read."""
    with opened_archive(path) as archive:
        for member in archive.members.values():
            if member.kind is Kind.FOLDER:
                continue
            if member.kind is not Kind.FILE or not _MEMBER.fullmatch(member.name):
                raise _no_layout(member.name)
            _take(archive.pieces(member), folder / member.name)
    return Layout(folder, tag)


def pack(layout: Layout, path: Path) -> None:
    """Writes all that the layout has, and puts the archive in its place when it is whole."""
    with new_archive(path) as tar:
        for name in ("oci-layout", "index.json", *(f"blobs/sha256/{blob}" for blob in sorted(layout.blobs()))):
            add_file(tar, name, layout.folder / name)


def add_file(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """A file of nobody and 1970, so that who packed it, when and where is not in it."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = path.stat().st_size, 0o644
    with path.open("rb") as file:
        tar.addfile(member, file)


def add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """As `add_file`."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))


@contextmanager
def opened_archive(path: Path) -> Iterator[Archive]:
    """To be read. Errors: UsageError where it is not there, ImageRefusedError where it is none."""
    try:
        with _opened_file(path) as file:
            # How much a compressed one holds shows only when the disk is full.
            if file.read(4).startswith(_COMPRESSED):
                raise ImageRefusedError(
                    f"{path} is compressed as a whole", step="image.archive", remedy="take that off first: gunzip"
                )
            yield Archive(file)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there") from error
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}", step="image.read") from error


def _opened_file(path: Path) -> IO[bytes]:
    """Nothing else: a pipe lets whoever opens it wait, a device has no end."""
    descriptor = os.open(path, _REGULAR)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageRefusedError(f"{path} is no file", step="image.archive")
    return os.fdopen(descriptor, "rb")


@contextmanager
def new_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """To be written; it stands at `path` once it is whole, in place of what was there."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with (
                arising(folder, lambda: path.name, mode=0o666) as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                yield tar
        finally:
            os.close(folder)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}", step="image.write") from error


def _take(pieces: Iterable[bytes], target: Path) -> None:
    """A disk that is full is the one that is written to."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            out.writelines(pieces)
    except OSError as error:
        raise ImageError(f"{target.parent}: {error.strerror or error}", step="image.write") from error


def _no_layout(name: str) -> ImageRefusedError:
    if _OTHER_HASH.fullmatch(name):
        return ImageRefusedError(
            "a blob by another hash than sha256, the only one that is read", step="image.archive", got=name[:200]
        )
    return ImageRefusedError(
        "this is no archive of an image layout", step="image.archive", got=name[:200],
        remedy="what `docker save` writes is docker-archive:FILE",
    )  # fmt: skip
