"""The agent's sockets: in the file system, for its own user alone, one agent at a path."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from casemate.errors import PlatformError
from casemate.simulator.addresses import reachable
from casemate.simulator.peers import peer_credentials

__all__ = ["Door", "check_peer", "listening", "shut_down"]

_BACKLOG: Final = 64
_PAUSE_SECONDS: Final = 0.1
"""Before it tries again, where the system has no descriptor for another connection."""

_log = structlog.get_logger("casemate.platform")


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket that listens on `path`, mode 0600, and is gone afterwards. `PlatformError` where another agent does."""
    with ExitStack() as undo:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            undo.enter_context(_only_one(path))
            if path.is_socket():
                path.unlink()  # nobody listens: whoever does holds the lock
            listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            _bind(listener, path)
        except OSError as error:
            raise PlatformError(
                f"cannot listen on {path}: {error.strerror or error}",
                step="platform.listen",
                remedy="name another place with --socket",
            ) from error
        undo.callback(path.unlink, missing_ok=True)
        yield listener


class Door:
    """A socket at `path`, mode 0600, and whether it is still open to anybody. Calls `on_ready` once it listens."""

    def __init__(self, path: Path, on_ready: Callable[[], None]) -> None:
        self._path = path
        self._on_ready = on_ready
        self._closing = threading.Event()
        self._listener: socket.socket | None = None

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    def serve(self, serve: Callable[[socket.socket], None]) -> None:
        """A thread for each connection, which `serve` closes, until `close`. Errors: those of `listening`."""
        with listening(self._path) as self._listener:
            self._on_ready()
            while not self.is_closing:
                try:
                    connection, _ = self._listener.accept()
                except OSError as error:
                    if not self.is_closing:
                        _log.warning("no connection can be taken", reason=error.strerror)
                        time.sleep(_PAUSE_SECONDS)
                    continue
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """May be called from a signal handler."""
        self._closing.set()
        if self._listener is not None:
            shut_down(self._listener)  # wakes a thread that waits in accept


def shut_down(connection: socket.socket) -> None:
    """Nothing, where that was done already."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def check_peer(connection: socket.socket) -> None:
    """Whoever may launch here is this user, or root."""
    _pid, uid = peer_credentials(connection)
    if uid not in {0, os.getuid()}:
        raise PlatformError(
            "only the user that runs this platform may launch and join", step="platform.peer", got=f"uid {uid}"
        )


def _bind(listener: socket.socket, path: Path) -> None:
    before = os.umask(0o177)
    try:
        with reachable(path) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """The kernel drops the lock when its holder ends, however it ends."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlatformError(
                "the simulated platform runs already",
                step="platform.listen",
                got=str(path),
                remedy="stop the other one",
            ) from error
        yield
    finally:
        os.close(lock)
