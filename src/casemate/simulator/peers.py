"""The process at the other end of a socket, and what it executes: looked at from outside, so never a launch."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from contextlib import ExitStack
from typing import Final

from casemate.errors import PlatformError

__all__ = ["Peer", "peer_credentials"]

_CREDENTIALS: Final = struct.Struct("3i")
"""`struct ucred` of unix(7): pid, uid, gid."""

_SO_PEERPIDFD: Final = 77
"""asm-generic/socket.h, since Linux 6.5: the very process that connected, whatever has its number by now."""


def peer_credentials(connection: socket.socket) -> tuple[int, int]:
    """pid and uid of whoever connected; the pid is 0 for a process that this one cannot see."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(raw)
    return pid, uid


class Peer:
    """Holds the process and its program. `ended` becomes readable when the process ends; both close with `keep`."""

    def __init__(self, connection: socket.socket, keep: ExitStack) -> None:
        """`PlatformError` where the process is gone, or cannot be seen."""
        self.pid, _uid = peer_credentials(connection)
        if self.pid == 0:
            raise _unseen("it lives in another PID namespace")
        try:
            self.ended = _process(connection, self.pid)
            keep.callback(os.close, self.ended)
            self.program = os.open(self._link, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            keep.callback(os.close, self.program)
        except OSError as error:
            raise _unseen(error.strerror or str(error)) from error
        self.check()

    def check(self) -> None:
        """`PlatformError` where it ended, or executes something else by now."""
        try:
            now, then = os.stat(self._link), os.fstat(self.program)
        except OSError as error:
            raise _unseen(error.strerror or str(error)) from error
        if self._has_ended():
            raise _unseen("it has ended")  # its number may have been another's a moment ago
        if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
            raise PlatformError("this process executes another program than the one that joined", step="platform.peer")

    @property
    def _link(self) -> str:
        return f"/proc/{self.pid}/exe"

    def _has_ended(self) -> bool:
        poll = select.poll()  # select() takes no number over 1,023
        poll.register(self.ended, select.POLLIN)
        return bool(poll.poll(0))


def _process(connection: socket.socket, pid: int) -> int:
    """Before Linux 6.5 a process that took the number of one that connected and ended is taken for that one."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    return os.pidfd_open(pid)


def _unseen(why: str) -> PlatformError:
    return PlatformError(
        f"the process that wants to join cannot be looked at: {why}",
        step="platform.peer",
        remedy="run the platform as the user that starts the containers, outside of them",
    )
