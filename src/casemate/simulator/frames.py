"""Frames on the platform's sockets: 4-byte big-endian length, a JSON object, at most 1 MiB; perhaps descriptors."""

from __future__ import annotations

import array
import json
import socket
from typing import Any, Final

from casemate.errors import MalformedError, TooLargeError
from casemate.wire import canonical

__all__ = ["MAX_FRAME", "receive", "receive_with_descriptors", "send"]

MAX_FRAME: Final = 1024 * 1024
_MAX_DESCRIPTORS: Final = 8


def send(connection: socket.socket, value: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    body = json.dumps(value).encode()
    if len(body) > MAX_FRAME:
        raise TooLargeError("a frame is too large", step="platform.frame", expected=f"≤ {MAX_FRAME} bytes")
    data = len(body).to_bytes(4, "big") + body
    if descriptors:
        sent = socket.send_fds(connection, [data], list(descriptors))
        data = data[sent:]
    connection.sendall(data)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next object; None where the other side closed between frames."""
    value, descriptors = receive_with_descriptors(connection)
    assert not descriptors  # only asked for where `receive_with_descriptors` is called
    return value


def receive_with_descriptors(
    connection: socket.socket, *, descriptors: int = 0
) -> tuple[dict[str, Any] | None, list[int]]:
    """As `receive`, with the descriptors that came along; the caller closes them. Others than asked for are refused."""
    head, found = _receive_head(connection, descriptors)
    if head is None:
        return None, []
    length = int.from_bytes(head, "big")
    if length > MAX_FRAME:
        raise TooLargeError("a frame is too large", step="platform.frame", expected=f"≤ {MAX_FRAME} bytes")
    value = canonical.decode(_exactly(connection, length), limit=MAX_FRAME)
    if not isinstance(value, dict):
        raise MalformedError("a frame is not a JSON object", step="platform.frame")
    return value, found


def _receive_head(connection: socket.socket, descriptors: int) -> tuple[bytes | None, list[int]]:
    if not descriptors:
        first = connection.recv(4)
        return (first + _exactly(connection, 4 - len(first)) if first else None), []
    space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)
    data, messages, _flags, _address = connection.recvmsg(4, space, socket.MSG_CMSG_CLOEXEC)
    found = array.array("i")
    for level, kind, content in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    if not data:
        return None, list(found)
    return data + _exactly(connection, 4 - len(data)), list(found)


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 65536))
        if not part:
            raise MalformedError("a frame ends early", step="platform.frame")
        parts += part
    return bytes(parts)
