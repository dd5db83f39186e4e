"""Starting a sealed copy with exactly the descriptors that a domain gets, and waiting for it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

__all__ = ["Process", "spawn"]

_ABOVE: Final = 64
"""Descriptors are first moved above this number, so that putting one in its place overwrites none of the others."""


def spawn(
    copy: int, arguments: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int | None]
) -> Process:
    """Executes the file behind `copy`; the child's descriptors are `descriptors`, numbered from 0, and no others. None
    is a number that stays closed.
    """
    given = {number: descriptor for number, descriptor in enumerate(descriptors) if descriptor is not None}
    moved: list[int] = []
    try:
        for descriptor in (copy, *given.values()):
            moved.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE))
        placed = [(os.POSIX_SPAWN_DUP2, high, number) for number, high in zip(given, moved[1:], strict=True)]
        closed = [(os.POSIX_SPAWN_CLOSE, number) for number in _inherited() if number not in given]
        pid = os.posix_spawn(
            f"/proc/self/fd/{moved[0]}",
            list(arguments),
            environment,
            file_actions=[*placed, *closed],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
        )
    finally:
        for descriptor in moved:
            os.close(descriptor)
    try:
        return Process(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)  # nobody else has waited for it: the number is still its own
        os.waitpid(pid, 0)
        raise


def _inherited() -> list[int]:
    """Descriptors that this process got from its parent and would pass on: its own are closed on exec anyway."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own is closed by now
            if os.get_inheritable(int(name)):
                found.append(int(name))
    return found


class Process:
    """A child; `descriptor` becomes readable when it ends. Signals go to it and never to another of the same number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        self._lock = threading.Lock()
        self._code: int | None = None

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self._code is None:
                signal.pidfd_send_signal(self.descriptor, number)

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status, negative for a signal; None where it still runs after `seconds`."""
        if self._code is None:
            poll = select.poll()  # select() takes no number over 1,023
            poll.register(self.descriptor, select.POLLIN)
            if not poll.poll(None if seconds is None else seconds * 1000):
                return None
            with self._lock:
                if self._code is None:
                    _, status = os.waitpid(self.pid, 0)
                    self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def close(self) -> None:
        os.close(self.descriptor)
