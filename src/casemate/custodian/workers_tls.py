"""A worker's TLS: one context, whose certificate is replaced while it serves (spec/ra-tls.md), and a server whose
connections count from when they are accepted.

Uvicorn hears of a connection once its handshake has ended, and the event loop gives that a minute. Before that nothing
of ours would see a client that connects and never speaks.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Any, Final

import structlog
import uvicorn

from casemate.custodian.keys.tls import TlsSecret
from casemate.custodian.settings import HANDSHAKE_SECONDS
from casemate.custodian.workers_connections import Place, Places

__all__ = ["ServerTls", "TlsServer"]

_NO_ROOM_SECONDS: Final = 1.0
"""After the system had no descriptor or memory for a connection: the same as asyncio's own servers."""

_log = structlog.get_logger("casemate.custodian")


class ServerTls:
    """`context` for connections to come; those that are open keep the certificate that they began with."""

    def __init__(self, secret: TlsSecret) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        # A resumed session would show a certificate that was replaced.
        self.context.options |= ssl.OP_NO_TICKET
        self.context.num_tickets = 0
        self.replace(secret)

    def replace(self, secret: TlsSecret) -> None:
        # The library reads files only; this one is in memory, and nobody else's.
        descriptor = os.memfd_create("casemate-tls")
        try:
            os.write(descriptor, secret.key + secret.certificate)
            self.context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)


class TlsServer(uvicorn.Server):
    """Serves like uvicorn's own, on one socket. A connection takes one of `places` before its handshake, which has
    `HANDSHAKE_SECONDS`, and hands it to the protocol that comes after.
    """

    def __init__(self, config: uvicorn.Config, tls: ServerTls, places: Places) -> None:
        super().__init__(config)
        self.places = places
        self._tls = tls
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        (listener,) = sockets or []
        self._accepting = asyncio.create_task(self._accept(listener))

    async def on_tick(self, counter: int) -> bool:
        if self._accepting is not None and self._accepting.done():
            # Raises what it ended with: a worker that accepts no more is started anew.
            self._accepting.result()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        unfinished = [task for task in (self._accepting, *self._handshakes) if task is not None]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except ConnectionError:
                continue  # it was gone before it was ours
            except OSError as error:
                _log.warning("no connection can be accepted", reason=error.strerror)
                await asyncio.sleep(_NO_ROOM_SECONDS)
                continue
            place = self.places.take()
            if place is None:
                connection.close()
                continue
            task = loop.create_task(self._shake_hands(connection, place))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, place: Place) -> None:
        def protocol() -> Any:
            made: Any = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            made.place = place
            return made

        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                protocol,
                connection,
                ssl=self._tls.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=HANDSHAKE_SECONDS,
            )
        except BaseException as error:
            place.give_back()
            # It ended early, was late, or speaks no TLS that we do: nobody's business but the client's.
            if not isinstance(error, OSError):
                raise
