"""Measuring at launch: a copy of the file that nobody can change any more is hashed, and that copy is executed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from casemate.errors import PlatformError

__all__ = ["MAX_RUNTIME_BYTES", "container_measurement_of", "measurement_of", "sealed_copy", "sealed_copy_of"]

MAX_RUNTIME_BYTES: Final = 256 * 1024 * 1024
"""A shield has a few MiB; this keeps a wrong path from filling the memory."""

_LABEL: Final = b"casemate/simulated-launch/v1\0"
_CONTAINER_LABEL: Final = b"casemate/simulated-container/v1\0"
_CHUNK: Final = 1024 * 1024
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def sealed_copy(path: Path) -> int:
    """A descriptor of a sealed memory file with the bytes of `path`; the caller closes it."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PlatformError(f"{path}: {error.strerror}", step="platform.launch") from error
    try:
        return sealed_copy_of(source, str(path))
    finally:
        os.close(source)


def sealed_copy_of(source: int, name: str) -> int:
    """As `sealed_copy`, of a file that is open already; the caller closes both. `name` is for people."""
    status = os.fstat(source)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_RUNTIME_BYTES:
        raise PlatformError(f"{name} is not a file that can be launched", step="platform.launch")
    copy = os.memfd_create("casemate-runtime", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _copy(source, copy)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(copy)
        raise
    return copy


def measurement_of(copy: int) -> bytes:
    """48 bytes, of a sealed copy that is launched."""
    return _measurement(_LABEL, copy)


def container_measurement_of(copy: int) -> bytes:
    """48 bytes, of a sealed copy of what runs in a container already: never the value of a launch."""
    return _measurement(_CONTAINER_LABEL, copy)


def _measurement(label: bytes, copy: int) -> bytes:
    digest = hashlib.sha384()
    position = 0
    while chunk := os.pread(copy, _CHUNK, position):
        digest.update(chunk)
        position += len(chunk)
    return hashlib.sha384(label + digest.digest()).digest()


def _copy(source: int, target: int) -> None:
    total = 0
    while sent := os.sendfile(target, source, None, _CHUNK):
        total += sent
        if total > MAX_RUNTIME_BYTES:
            raise PlatformError("the file grows while it is copied", step="platform.launch")
