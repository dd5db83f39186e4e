"""Frames on the platform's sockets: 4-byte big-endian length, a JSON object, at most 1 MiB; perhaps descriptors."""

from __future__ import annotations

import array
import json
import os
import socket
import time
from contextlib import ExitStack
from typing import Any, Final

from casemate.errors import MalformedError, TooLargeError
from casemate.wire import canonical

__all__ = ["MAX_FRAME", "receive", "receive_with_descriptors", "send"]

MAX_FRAME: Final = 1024 * 1024
_HEAD: Final = 4
_MAX_DESCRIPTORS: Final = 8
"""More than anybody needs; what comes beyond them the kernel closes."""


def send(connection: socket.socket, value: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    body = json.dumps(value).encode()
    if len(body) > MAX_FRAME:
        raise _too_large()
    data = len(body).to_bytes(_HEAD, "big") + body
    if descriptors:
        sent = socket.send_fds(connection, [data], list(descriptors))
        data = data[sent:]
    if data:  # nothing left to send is no reason to notice that the other side has answered and gone
        connection.sendall(data)


def receive(
    connection: socket.socket, *, seconds: float | None = None, limit: int = MAX_FRAME
) -> dict[str, Any] | None:
    """The next object; None where the other side closed between frames. Descriptors that come along are dropped.

    `InputError`, also for more than `limit` bytes; `TimeoutError` where the whole frame did not come within `seconds`.
    """
    reader = _Reader(connection, seconds)
    first = reader.some(_HEAD)
    return _frame(reader, first, limit) if first else None


def receive_with_descriptors(
    connection: socket.socket, descriptors: int, keep: ExitStack, *, seconds: float | None = None
) -> tuple[dict[str, Any] | None, list[int]]:
    """As `receive`, with exactly that many descriptors; `keep` closes all that came, whatever happens next."""
    reader = _Reader(connection, seconds)
    first, found = reader.some_with_descriptors(_HEAD, keep)
    if not first:
        return None, []
    value = _frame(reader, first)
    if len(found) != descriptors:
        raise MalformedError(
            "wrong number of descriptors", step="platform.descriptors", expected=str(descriptors), got=str(len(found))
        )
    return value, found


def _frame(reader: _Reader, first: bytes, limit: int = MAX_FRAME) -> dict[str, Any]:
    length = int.from_bytes(first + reader.exactly(_HEAD - len(first)), "big")
    if length > limit:
        raise _too_large(limit)
    value = canonical.decode(reader.exactly(length), limit=limit)
    if not isinstance(value, dict):
        raise MalformedError("a frame is not a JSON object", step="platform.frame")
    return value


class _Reader:
    """Reads from a connection until a moment that no trickle of bytes moves."""

    def __init__(self, connection: socket.socket, seconds: float | None) -> None:
        self._connection = connection
        self._end = None if seconds is None else time.monotonic() + seconds

    def exactly(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self.some(min(length - len(parts), 65536))
            if not part:
                raise MalformedError("a frame ends early", step="platform.frame")
            parts += part
        return bytes(parts)

    def some(self, length: int) -> bytes:
        """At least one byte, or none at the end."""
        self._limit()
        return self._connection.recv(length)

    def some_with_descriptors(self, length: int, keep: ExitStack) -> tuple[bytes, list[int]]:
        self._limit()
        space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
        data, messages, _flags, _address = self._connection.recvmsg(length, space, socket.MSG_CMSG_CLOEXEC)
        found = array.array("i")
        for level, kind, content in messages:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
        for descriptor in found:
            keep.callback(os.close, descriptor)
        return data, list(found)

    def _limit(self) -> None:
        if self._end is None:
            self._connection.settimeout(None)
            return
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("a frame comes too slowly")
        self._connection.settimeout(left)


def _too_large(limit: int = MAX_FRAME) -> TooLargeError:
    return TooLargeError("a frame is too large", step="platform.frame", expected=f"≤ {limit} bytes")
