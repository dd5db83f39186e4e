"""Files that lie on the host: regular ones only, read up to a limit, written so that a crash leaves old or new.

A host can put anything in a file's place: a symbolic link, a pipe that never ends, a folder. All of these are an
`OSError` here, at once; callers say what it means.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from casemate.errors import StoreError, StoreLockedError

__all__ = ["exists", "lock", "open_file", "read_file", "sync_folder", "write_file"]


def exists(path: Path) -> bool:
    """Whether anything is there, a link to nowhere included."""
    return os.path.lexists(path)


def open_file(path: Path, flags: int) -> int:
    """A descriptor of the regular file at `path`, never of what a link names; `OSError`."""
    # Non-blocking: opening a pipe would wait for its other end.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def read_file(path: Path, limit: int) -> bytes:
    """Its content, at most `limit` bytes; `OSError`."""
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def write_file(path: Path, data: bytes, *, replace: bool) -> None:
    """A file that appears whole and durable, or not at all. Unless `replace`, nothing may be there; `OSError`."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        made.replace(path)
    else:
        # Unlike a renaming, a link never takes the place of another file.
        os.link(made, path)
        made.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes names in it durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, what: str, step: str) -> None:
    """Locks the file until the descriptor is closed, however the process ends. `StoreLockedError`, `StoreError`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreLockedError(
            f"another custodian uses this {what}", step=step, remedy="stop it, or give each a folder of its own"
        ) from error
    except OSError as error:
        raise StoreError(
            f"the {what} cannot be locked: {error.strerror}",
            step=step,
            remedy="put it on a local file system",
        ) from error
