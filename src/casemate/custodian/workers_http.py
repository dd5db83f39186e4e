"""HTTP connections with bounds that the server library leaves open: header bytes, time to send a request and to take
its answer, requests sent ahead.

Uvicorn hands a request to the application once its headers are complete. Before that nothing of ours would see a
client that sends one byte a minute, or headers without end. Bodies are bounded by `casemate.custodian.signing`. How
long a route works is nobody's business here; what it answered must be taken, or the connection ends.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from casemate.custodian.settings import ANSWER_BYTES, ANSWER_SECONDS, HEADER_LIMIT, REQUEST_SECONDS
from casemate.custodian.workers_connections import Place

__all__ = ["BoundedProtocol", "in_pieces"]

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_PIECE: Final = 16 * 1024
"""Bytes of an answer that are written at once, that wait here before more is, and that the system keeps before it sends
them: so what waits is little, and shrinks while the client reads, not in leaps of megabytes.
"""


_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class _SentAheadError(Exception):
    """A request came before the answer to the last: nothing from there on is read, and with that answer the connection
    ends.
    """


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `header_bytes` counts what came since the last request's headers were complete. `place` was taken
    by whoever accepted it (`casemate.custodian.workers_doors`).

    Two clocks: `_deadline` runs while a request's headers are awaited, `_taking` while an answer waits for its reader.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.place: Place | None = None
        self._header_bytes = 0
        self._in_headers = True
        self._sent_ahead = False
        self._deadline: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if self.place is None:
            transport.abort()
            return
        self._arm()
        transport.set_write_buffer_limits(high=_PIECE)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _PIECE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._taken()
        self._unset_keepalive_if_required()
        if self.place is not None:
            self.place.give_back()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._sent_ahead:
            return
        if self._deadline is None and not self._under_way():
            # Whatever it is, it stopped the clock for idle connections: an empty line, or the rest of a refused body.
            self._arm()
        if self._in_headers:
            self._header_bytes += len(data)
            # A body that arrives in the same segment as its headers counts too; a segment is at most 256 KiB.
            if self._header_bytes > HEADER_LIMIT + len(data) and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self._under_way():
            # Whoever sends it may send it again (RFC 9112, 9.3.2). Kept, each would cost memory before anything is
            # known of its sender; and uvicorn tells only the last of them that the client went away.
            self.cycle.keep_alive = False
            self._sent_ahead = True
            raise _SentAheadError
        super().on_message_begin()
        self._in_headers = True
        self._arm()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        # From here the signing layer has the clock: it reads the body within its own limit and time.
        self._disarm()
        if not self.flow.write_paused:
            # What waits may grow again.
            self._taken()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_headers = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_taking()

    def send_400_response(self, msg: str) -> None:
        if not self._sent_ahead:
            super().send_400_response(msg)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # Also where the transport was closing before: the client may have ended its side.
        self._await_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taken()
        self._await_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()
        if self.transport.is_closing():
            self._await_taking()

    def _under_way(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_taking(self) -> None:
        """From a pause to its end, and in a connection that closes, nothing is written: what waits can only shrink."""
        if self._taking is None:
            waiting = self.transport.get_write_buffer_size()
            self._taking = self.loop.call_later(ANSWER_SECONDS, self._look_who_takes, waiting)

    def _look_who_takes(self, before: int) -> None:
        self._taking = None
        if before - self.transport.get_write_buffer_size() < ANSWER_BYTES:
            self.transport.abort()
        else:
            self._await_taking()

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _arm(self) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        # Also where the transport closes already: what it was answered may wait for ever to be read.
        self.transport.abort()


def in_pieces(app: _App) -> _App:
    """`app`, whose answers are written no faster than they are taken. In one piece an answer would be out of sight at
    once over TLS: the event loop hands all of it to the transport below, and nobody learns how much of it is left.
    """

    async def inner(scope: _Message, receive: _Receive, send: _Send) -> None:
        async def send_pieces(message: _Message) -> None:
            body = message.get("body", b"")
            for start in range(0, len(body) - _PIECE, _PIECE):
                await send({"type": message["type"], "body": body[start : start + _PIECE], "more_body": True})
            await send(message if len(body) <= _PIECE else {**message, "body": body[-(len(body) % _PIECE or _PIECE) :]})

        await app(scope, receive, send_pieces)

    return inner
