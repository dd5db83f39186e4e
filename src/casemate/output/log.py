"""The lines of a log, whoever wrote it: as they came, or with what container engines put around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Final

__all__ = ["lines"]

_LONGEST: Final = 1 << 16
_ENTRY: Final = re.compile(rb"\S{1,64} (stdout|stderr) ([PF]) (.*)", re.DOTALL)
"""Of a log in the form of Kubernetes (CRI), which Podman and CRI-O write: a line that was cut into parts has P before
all of them but the last.
"""


def lines(log: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, of at most 64 KiB; longer ones come in pieces, of which none is a sealed line."""
    parts: dict[bytes, bytes] = {}
    while line := log.readline(_LONGEST):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            yield line
            continue
        channel, part, content = entry.groups()
        whole = parts.pop(channel, b"") + (content.removesuffix(b"\n") if part == b"P" else content)
        if part == b"P" and len(whole) < _LONGEST:
            parts[channel] = whole
        else:
            yield whole
    yield from parts.values()
