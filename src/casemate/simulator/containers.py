"""The simulated platform inside containers, where it cannot launch: processes join by a socket that is mounted there.

Weaker than a launch, and named `simulated-container` by a root of its own: the agent looks at a process that runs
already and believes whatever manifest it names. spec/evidence.md lists what that lets through.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from casemate.errors import CasemateError, PlatformError
from casemate.simulator.frames import receive, send
from casemate.simulator.hostile import Hostile
from casemate.simulator.identity import Identity, try_error
from casemate.simulator.listener import Door, check_peer, shut_down
from casemate.simulator.measure import container_measurement_of, sealed_copy_of
from casemate.simulator.peers import Peer
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire import canonical
from casemate.wire.fields import Model

__all__ = ["MAX_DOMAINS", "Containers"]

MAX_DOMAINS: Final = 256
"""Connections at a time, from one process one: whoever reaches the socket must not use up the agent."""

_FRAME_SECONDS: Final = 5.0
"""How long a peer may take over one frame, its first one included, and over taking an answer."""

_FRAME_BYTES: Final = 4096
"""Requests have a few hundred bytes."""

_log = structlog.get_logger("casemate.platform")


class _JoinRequest(Model):
    op: Literal["join"]
    host_data: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Containers:
    """Listens on `path` (mode 0600) until `stop`; calls `on_ready` once it does. `platform`: the one for containers."""

    def __init__(
        self,
        platform: SimulatedPlatform,
        path: Path,
        hostile: Hostile | None = None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._platform = platform
        self._hostile = hostile
        self._door = Door(path, on_ready)
        self._lock = threading.Lock()
        self._connected: dict[int, socket.socket] = {}

    def serve_forever(self) -> None:
        """Returns after `stop`; what joined loses its platform then, and goes on without."""
        self._door.serve(self._serve)

    def stop(self) -> None:
        """Ends `serve_forever`. May be called from a signal handler."""
        self._door.close()
        for connection in list(self._connected.values()):
            shut_down(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, ExitStack() as held:
            connection.settimeout(_FRAME_SECONDS)
            try:
                check_peer(connection)
                peer = Peer(connection, held)
                held.enter_context(self._place(peer.pid, connection))
                identity = self._join(connection, peer)
                if identity is not None:
                    _answer(connection, peer, identity)
            except CasemateError as error:
                _refuse(connection, error.message)
            except OSError as error:
                _refuse(connection, error.strerror or str(error))

    def _join(self, connection: socket.socket, peer: Peer) -> Identity | None:
        """Measured, and HOST_DATA fixed for the life of the connection; None where nobody asked for anything."""
        value = receive(connection, seconds=_FRAME_SECONDS, limit=_FRAME_BYTES)
        if value is None:
            return None
        request = canonical.parse_model(_JoinRequest, value, what="join")
        copy = sealed_copy_of(peer.program, "what wants to join")
        try:
            measurement = container_measurement_of(copy)
        finally:
            os.close(copy)
        peer.check()
        identity = Identity(self._platform, self._hostile, measurement, bytes.fromhex(request.host_data))
        _log.info(
            "joined from a container: whoever reaches the socket can",
            pid=peer.pid,
            measurement=identity.measurement_text[:23],
            host_data=request.host_data[:16],
        )
        connection.settimeout(_FRAME_SECONDS)
        send(connection, {"event": "joined", "measurement": identity.measurement_text})
        return identity

    @contextmanager
    def _place(self, pid: int, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            if pid in self._connected:
                raise PlatformError("this process has joined already", step="platform.join")
            if len(self._connected) >= MAX_DOMAINS:
                raise PlatformError("too many domains", step="platform.join", expected=f"≤ {MAX_DOMAINS}")
            self._connected[pid] = connection
        try:
            yield
        finally:
            with self._lock:
                del self._connected[pid]


def _answer(connection: socket.socket, peer: Peer, identity: Identity) -> None:
    """Until connection or process ends, or the process executes something else: a child has no use of the socket."""
    poll = select.poll()  # select() takes no number over 1,023
    for descriptor in (connection.fileno(), peer.ended):
        poll.register(descriptor, select.POLLIN)
    while peer.ended not in (ready for ready, _ in poll.poll()):
        try:
            request = receive(connection, seconds=_FRAME_SECONDS, limit=_FRAME_BYTES)
            if request is None:
                return
            peer.check()
            answer = identity.answer(request)
            connection.settimeout(_FRAME_SECONDS)
            send(connection, answer)
        except PlatformError as error:
            try_error(connection, error)
            return
        except CasemateError as error:
            if not try_error(connection, error):
                return
        except OSError:
            return


def _refuse(connection: socket.socket, reason: str) -> None:
    _log.warning("nobody joined", reason=reason)
    with suppress(OSError):
        connection.settimeout(_FRAME_SECONDS)
        send(connection, {"event": "refused", "reason": reason})
