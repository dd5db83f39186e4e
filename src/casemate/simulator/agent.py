"""The agent: does what a secure processor does, for shields that it launches itself.

One thread a launch. Identity hangs on the socket pair that is made at launch: who connects to the control socket later
can launch, and can ask nothing about what runs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from casemate.errors import CasemateError, PlatformError
from casemate.simulator.domain import Domain, LaunchRequest, launch_domain
from casemate.simulator.frames import receive_with_descriptors, send
from casemate.simulator.hostile import Hostile
from casemate.simulator.listener import Door, check_peer
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire import canonical

__all__ = ["Agent"]

_DESCRIPTORS: Final = 4
"""Standard input, output, error, launch bundle."""

_REQUEST_SECONDS: Final = 5.0
"""How long a client may take to say what it wants."""

_log = structlog.get_logger("casemate.platform")


class Agent:
    """Listens on `path` (mode 0600) until `stop`; calls `on_ready` once it does."""

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
        self._domains: set[Domain] = set()
        self._launching = 0
        self._changed = threading.Condition()

    def serve_forever(self) -> None:
        """Returns after `stop`, when everything that was launched has ended."""
        try:
            self._door.serve(self._serve)
        finally:
            self._stop_domains()

    def stop(self) -> None:
        """Ends `serve_forever` and what was launched. May be called from a signal handler."""
        self._door.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                domain = self._launch(connection)
            except CasemateError as error:
                _refuse(connection, error.message)
                return
            except OSError as error:
                _refuse(connection, error.strerror or str(error))
                return
            if domain is None:
                return
            try:
                domain.supervise(connection)
            finally:
                with self._changed:
                    self._domains.discard(domain)

    def _launch(self, connection: socket.socket) -> Domain | None:
        """What the client asks for; None where it asks for nothing."""
        with ExitStack() as descriptors:
            check_peer(connection)
            value, found = receive_with_descriptors(connection, _DESCRIPTORS, descriptors, seconds=_REQUEST_SECONDS)
            if value is None:
                return None
            request = canonical.parse_model(LaunchRequest, value, what="launch")
            with self._counted():
                domain = launch_domain(self._platform, self._hostile, request, found)
                with self._changed:
                    self._domains.add(domain)
                return domain

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """What is being launched when the agent stops is waited for, and stopped like the rest."""
        with self._changed:
            if self._door.is_closing:
                raise PlatformError("the platform is stopping", step="platform.launch")
            self._launching += 1
        try:
            yield
        finally:
            with self._changed:
                self._launching -= 1
                self._changed.notify_all()

    def _stop_domains(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._launching == 0)
            domains = list(self._domains)
        stoppers = [threading.Thread(target=domain.stop) for domain in domains]
        for stopper in stoppers:
            stopper.start()
        for domain, stopper in zip(domains, stoppers, strict=True):
            stopper.join()
            domain.ended.wait()


def _refuse(connection: socket.socket, reason: str) -> None:
    _log.warning("launch refused", reason=reason)
    _try_send(connection, {"event": "refused", "reason": reason})


def _try_send(connection: socket.socket, value: dict[str, Any]) -> None:
    with suppress(OSError):
        send(connection, value)
