"""Debian's memcached, spoken to in its own words."""

from __future__ import annotations

import socket

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_VALUE = b"allergic to penicillin and to nuts"
_MANY = 500


def _use(memcached: Running) -> None:
    with socket.create_connection(("127.0.0.1", memcached.port), timeout=10) as connection:
        lines = connection.makefile("rwb")

        def ask(words: bytes, answers: int = 1) -> bytes:
            lines.write(words)
            lines.flush()
            return b"".join(lines.readline() for _ in range(answers))

        for number in range(_MANY):
            expect("set", ask(b"set patient:%d 0 0 %d\r\n%s\r\n" % (number, len(_VALUE), _VALUE)), b"STORED\r\n")
        found = ask(b"get patient:4 patient:499\r\n", answers=5)
        expect("get", found.count(_VALUE), 2)
        expect("incr", ask(b"set visits 0 0 1\r\n7\r\n") + ask(b"incr visits 4\r\n"), b"STORED\r\n11\r\n")
        expect("delete", ask(b"delete patient:4\r\n"), b"DELETED\r\n")
        expect("get", ask(b"get patient:4\r\n"), b"END\r\n")


SERVICE = Service(
    "memcached",
    _use,
    hidden=(b"start-memcached", b"Package: memcached"),
    written=(_VALUE,),
    options=("--read-only",),
)
