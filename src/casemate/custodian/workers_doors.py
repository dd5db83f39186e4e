"""Accepting connections while there is a place for them, and a server whose connections count from then on.

All workers share the listening sockets. A worker that is full must leave what comes to those that have room: it does
not look at its listeners until a place is free, and connections wait in the system's queue. Uvicorn accepts whatever
comes, and hears of a TLS connection once its handshake has ended, which the event loop gives a minute.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import structlog
import uvicorn

from casemate.custodian.settings import ANSWER_SECONDS, HANDSHAKE_SECONDS
from casemate.custodian.workers_connections import Place, Places

__all__ = ["Door", "PlacedServer"]

_NO_ROOM_SECONDS: Final = 1.0
"""After the system had no descriptor or memory for a connection: the same as asyncio's own servers."""

_log = structlog.get_logger("casemate.custodian")


class Door:
    """`listener`, looked at only while `places` have room; `enter` gets each connection with its place."""

    def __init__(
        self, listener: socket.socket, places: Places, greeting: bool, enter: Callable[[socket.socket, Place], None]
    ) -> None:
        self._listener = listener
        self._places = places
        self._greeting = greeting
        self._enter = enter
        self._loop = asyncio.get_running_loop()
        self._looking = False
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        listener.setblocking(False)
        places.watch(self._look)
        self._look()

    def close(self) -> None:
        """For good."""
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()
        self._look()

    def _look(self) -> None:
        wanted = not self._closed and self._resting is None and self._places.has_room(self._greeting)
        if wanted and not self._looking:
            self._loop.add_reader(self._listener, self._accept)
        elif self._looking and not wanted:
            self._loop.remove_reader(self._listener)
        self._looking = wanted

    def _accept(self) -> None:
        # One at a time: other workers look at the same queue.
        place = self._places.take(self._greeting)
        if place is None:
            return
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            place.give_back()  # another worker has it, or it was gone before it was ours
            return
        except OSError as error:
            _log.warning("no connection can be accepted", reason=error.strerror)
            self._resting = self._loop.call_later(_NO_ROOM_SECONDS, self._rested)
            place.give_back()
            return
        connection.setblocking(False)
        self._enter(connection, place)

    def _rested(self) -> None:
        self._resting = None
        self._look()


class PlacedServer(uvicorn.Server):
    """Serves like uvicorn's own, on one socket, with TLS where there is a `context`. A connection takes one of `places`
    when it is accepted, before its handshake, which has `HANDSHAKE_SECONDS`, and hands it to the protocol that comes
    after.
    """

    def __init__(self, config: uvicorn.Config, places: Places, context: ssl.SSLContext | None = None) -> None:
        super().__init__(config)
        self.places = places
        self._context = context
        self._door: Door | None = None
        self._entering: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        (listener,) = sockets or []
        self._door = Door(listener, self.places, self._context is not None, self._enter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._door is not None:
            self._door.close()
        unfinished = list(self._entering)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await super().shutdown(sockets)

    def _enter(self, connection: socket.socket, place: Place) -> None:
        task = asyncio.get_running_loop().create_task(self._shake_hands(connection, place))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _shake_hands(self, connection: socket.socket, place: Place) -> None:
        def protocol() -> Any:
            made: Any = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            made.place = place
            return made

        of_tls: dict[str, Any] = {}
        if self._context is not None:
            of_tls = {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": ANSWER_SECONDS}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection, ssl=self._context, **of_tls)
            place.greeted()
        except BaseException as error:
            place.give_back()
            # It ended early, was late, or speaks no TLS that we do: nobody's business but the client's.
            if not isinstance(error, OSError):
                raise
