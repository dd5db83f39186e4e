"""Image layouts in archives (`oci-archive:`). The same image is the same archive, to the last byte."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from casemate.errors import ImageError, ImageRefusedError, UsageError
from casemate.image.layout import Layout

__all__ = ["add_bytes", "add_file", "copy", "new_archive", "opened_archive", "pack", "unpacked"]

_MEMBER: Final = re.compile(r"(?:\./)?(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})")
_MAX_MEMBERS: Final = 100_000


def unpacked(path: Path, tag: str | None, folder: Path) -> Layout:
    """The archive's layout, in a new folder. Blobs are held against their digests when they are read."""
    with opened_archive(path) as tar:
        for count, member in enumerate(tar):
            if count >= _MAX_MEMBERS:
                raise ImageRefusedError("more in the archive than any image has", step="image.archive")
            if member.isdir():
                continue
            match = _MEMBER.fullmatch(member.name)
            if match is None or not member.isreg() or member.issparse():
                raise ImageRefusedError(
                    "this is no archive of an image layout", step="image.archive", got=member.name[:200],
                    remedy="what `docker save` writes is docker-archive:FILE",
                )  # fmt: skip
            _take(tar, member, folder / match[1])
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
def opened_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """To be read. Errors: UsageError where it is not there, ImageRefusedError where it is none."""
    try:
        # Not compressed as a whole: how much a compressed one holds shows only when the disk is full.
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there") from error
    except tarfile.TarError as error:
        raise ImageRefusedError(
            f"{path} is no archive", step="image.archive", got=str(error)[:200],
            remedy="if it is compressed, take that off first: gunzip",
        ) from error  # fmt: skip
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}", step="image.read") from error


@contextmanager
def new_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """To be written; it stands at `path` once it is whole, in place of what was there."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield tar
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}", step="image.write") from error
    finally:
        temporary.unlink(missing_ok=True)


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as out:
        copy(source, out)


def copy(source: IO[bytes], out: IO[bytes]) -> None:
    """All that is left of `source`, a piece at a time."""
    shutil.copyfileobj(source, out, 1 << 20)
