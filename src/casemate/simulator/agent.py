"""The agent: does what a secure processor does, for shields that it launches itself.

One thread a launch. Identity hangs on the socket pair that is made at launch: who connects to the control socket later
can launch, and can ask nothing about what runs.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any, Final

import structlog

from casemate.errors import CasemateError, PlatformError
from casemate.simulator.domain import Domain, LaunchRequest, launch_domain
from casemate.simulator.frames import receive_with_descriptors, send
from casemate.simulator.hostile import Hostile
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire import canonical

__all__ = ["Agent"]

_DESCRIPTORS: Final = 4
_REQUEST_SECONDS: Final = 5.0
"""How long a client may take to say what it wants."""

_CREDENTIALS: Final = struct.Struct("3i")
_log = structlog.get_logger("casemate.platform")


class Agent:
    """Listens on `path` (mode 0600) until `stop`."""

    def __init__(self, platform: SimulatedPlatform, path: Path, hostile: Hostile | None = None) -> None:
        self._platform = platform
        self._path = path
        self._hostile = hostile
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._domains: set[Domain] = set()
        self._lock = threading.Lock()

    def serve_forever(self) -> None:
        self._listener = _listen(self._path)
        try:
            while not self._stopping.is_set():
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    break
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        finally:
            self._path.unlink(missing_ok=True)
            self._stop_domains()

    def stop(self) -> None:
        """Ends `serve_forever` and what was launched. May be called from a signal handler."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.close()
            # Closing does not wake a thread that waits in accept; connecting once does.
            with socket.socket(socket.AF_UNIX) as wake:
                try:
                    wake.connect(str(self._path))
                except OSError:
                    return

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                _check_peer(connection)
                request, descriptors = _read_request(connection)
                try:
                    domain = launch_domain(self._platform, self._hostile, request, descriptors)
                finally:
                    for descriptor in descriptors:
                        os.close(descriptor)
            except CasemateError as error:
                _log.warning("launch refused", reason=error.message)
                _try_send(connection, {"event": "refused", "reason": error.message})
                return
            except OSError as error:
                _log.warning("launch failed", reason=error.strerror)
                _try_send(connection, {"event": "refused", "reason": error.strerror or "system error"})
                return
            with self._lock:
                self._domains.add(domain)
            try:
                domain.supervise(connection)
            finally:
                with self._lock:
                    self._domains.discard(domain)

    def _stop_domains(self) -> None:
        with self._lock:
            domains = list(self._domains)
        for domain in domains:
            domain.stop()
        for domain in domains:
            domain.ended.wait()


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_socket():
        _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise PlatformError(
            f"cannot listen on {path}: {error.strerror}", remedy="a Unix socket's path has at most 107 bytes"
        ) from error
    return listener


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise PlatformError("the simulated platform runs already", got=str(path), remedy="stop the other one")


def _check_peer(connection: socket.socket) -> None:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(raw)
    if uid not in {0, os.getuid()}:
        raise PlatformError("only the user that runs this platform may launch", step="platform.peer", got=f"uid {uid}")


def _read_request(connection: socket.socket) -> tuple[LaunchRequest, list[int]]:
    connection.settimeout(_REQUEST_SECONDS)
    value, descriptors = receive_with_descriptors(connection, descriptors=_DESCRIPTORS)
    connection.settimeout(None)
    try:
        if value is None:
            raise PlatformError("the client said nothing", step="platform.request")
        request = canonical.parse_model(LaunchRequest, value, what="launch")
        if len(descriptors) != _DESCRIPTORS:
            raise PlatformError(
                "wrong number of descriptors",
                step="platform.request",
                expected=f"{_DESCRIPTORS}: standard input, output, error, launch bundle",
                got=str(len(descriptors)),
            )
    except CasemateError:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return request, descriptors


def _try_send(connection: socket.socket, value: dict[str, Any]) -> None:
    try:
        send(connection, value)
    except OSError:
        return
