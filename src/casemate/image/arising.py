"""Files that have their name once they are whole: whoever is killed while writing one leaves nothing behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final
from uuid import uuid4

__all__ = ["TEMPORARY", "arising"]

TEMPORARY: Final = r"\.new\.[0-9a-f]{32}"
"""What a file is called that others cannot be without, as a pattern: see `arising`."""

_NAMELESS: Final = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
_NAMED: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNKNOWN: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
"""From file systems and kernels without files that have no name (open(2), "O_TMPFILE")."""


@contextmanager
def arising(folder: int, name: Callable[[], str], *, mode: int) -> Iterator[IO[bytes]]:
    """A new file in `folder` (a descriptor), on the disk and in the place of `name` when the block ends without an
    error. `name` is asked for then: it may follow from what was written.

    Meanwhile it has no name, where the file system knows such. Else, and for the moment in which it takes the place of
    another, it is called by a `TEMPORARY` one. Errors: OSError.
    """
    temporary = f".new.{uuid4().hex}"
    descriptor, named = _made(folder, temporary, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            final = name()
            if named or not _linked(file.fileno(), folder, final):
                if not named:
                    _link(file.fileno(), folder, temporary)
                os.replace(temporary, final, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)


def _made(folder: int, temporary: str, mode: int) -> tuple[int, bool]:
    """The descriptor, and whether it has the temporary name."""
    try:
        return os.open(".", _NAMELESS, mode, dir_fd=folder), False
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    return os.open(temporary, _NAMED, mode, dir_fd=folder), True


def _linked(descriptor: int, folder: int, name: str) -> bool:
    """False where there is one of that name."""
    try:
        _link(descriptor, folder, name)
    except FileExistsError:
        return False
    return True


def _link(descriptor: int, folder: int, name: str) -> None:
    # With a folder's descriptor it is linkat(2), which follows the link in /proc to the file.
    os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder, follow_symlinks=True)
