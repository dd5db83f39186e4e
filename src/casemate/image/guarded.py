"""Files in a folder that belongs to somebody else, who may change it while it is read or written.

The folder itself is the user's word, and may be a link. Below it no link is followed, and nothing but a regular file
is read: a device has no end, and a pipe lets whoever opens it wait. What is read here was not verified yet.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from casemate.errors import ImageRefusedError
from casemate.image.arising import TEMPORARY, arising

__all__ = ["Guarded"]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_TEMPORARY: Final = re.compile(TEMPORARY)


@dataclass(frozen=True)
class Guarded:
    """Names are as `blobs/sha256/NAME`. Every call raises OSError, ImageRefusedError where a link or no file is."""

    folder: Path

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """To be read."""
        *folders, last = name.split("/")
        with self._entered(folders) as inside:
            descriptor = _open(last, _FILE, inside, name)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _no_file(name)
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def read(self, name: str, limit: int) -> bytes:
        """At most one byte more than `limit`."""
        with self.opened(name) as file:
            return file.read(limit + 1)

    @contextmanager
    def replacing(self, folder: str, name: Callable[[], str]) -> Iterator[IO[bytes]]:
        """A new file, on the disk and in the place of `name` when the block ends without an error.

        `name` is asked for then: it may follow from what was written.
        """
        with (
            self._entered(_names(folder), make=True) as inside,
            arising(inside, name, mode=0o644) as file,
        ):
            yield file

    def adopt(self, path: Path, folder: str, name: str) -> None:
        """Moves a file to the place of `name`, on the disk by then. EXDEV: it lies on another file system."""
        with path.open("rb") as file, self._entered(_names(folder), make=True) as inside:
            os.fchmod(file.fileno(), 0o644)
            # Nobody finds it before it is on the disk.
            temporary = f".new.{uuid4().hex}"
            os.rename(path, temporary, dst_dir_fd=inside)
            try:
                os.fsync(file.fileno())
                os.replace(temporary, name, src_dir_fd=inside, dst_dir_fd=inside)
                os.fsync(inside)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=inside)

    def sweep(self, *folders: str) -> None:
        """Takes away what `replacing` left in these folders when it was killed. Nobody may be at it meanwhile."""
        for folder in folders:
            with self._entered(_names(folder), make=True) as inside:
                for left in filter(_TEMPORARY.fullmatch, os.listdir(inside)):
                    os.unlink(left, dir_fd=inside)

    @contextmanager
    def _entered(self, folders: list[str], *, make: bool = False) -> Iterator[int]:
        if make:
            self.folder.mkdir(parents=True, exist_ok=True)
        inside = os.open(self.folder, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for name in folders:
                with suppress(FileExistsError):
                    if make:
                        os.mkdir(name, 0o755, dir_fd=inside)
                above, inside = inside, _open(name, _FOLDER, inside, name)
                os.close(above)
            yield inside
        finally:
            os.close(inside)


def _names(folder: str) -> list[str]:
    return folder.split("/") if folder else []


def _open(name: str, flags: int, inside: int, shown: str) -> int:
    try:
        return os.open(name, flags, dir_fd=inside)
    except OSError as error:
        # What O_NOFOLLOW says of links, with O_DIRECTORY, and of sockets.
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
            raise _no_file(shown) from error
        raise


def _no_file(name: str) -> ImageRefusedError:
    return ImageRefusedError(
        "the image's folder has something else than a file or a folder of its own", step="image.layout",
        got=name[:200], remedy="copy it with what its links lead to, if you trust that: cp --recursive --dereference",
    )  # fmt: skip
