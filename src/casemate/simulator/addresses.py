"""Unix sockets at any path: the kernel takes 107 bytes (unix(7)), folders may be deeper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["reachable"]


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A short name for `path` while the block lasts: through a descriptor of its folder. `OSError` without a folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
