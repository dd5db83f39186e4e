"""Shell scripts of busybox behind its httpd: many short processes, pipes, temporary files."""

from __future__ import annotations

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_NAMES = b"Adler\nBerg\nbaumann\nAmsel\nZiegler\n"


def _use(httpd: Running) -> None:
    for _ in range(5):
        expect("the report", httpd.http("/cgi-bin/ward-report", _NAMES), b"A 2\nB 2\nZ 1\n5\n")


SERVICE = Service(
    "busybox",
    _use,
    hidden=(b"ward-report", b"how many each letter has", b"BusyBox v1"),
    written=(b"baumann",),
    stops=143,
)
