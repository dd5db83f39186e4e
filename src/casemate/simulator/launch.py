"""The client of the agent: launches a shield and stays with it."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from casemate.errors import InputError, PlatformError
from casemate.simulator.addresses import reachable
from casemate.simulator.frames import receive, send
from casemate.simulator.measure import container_measurement_of, measurement_of, sealed_copy
from casemate.simulator.running import Running, bundle_file

__all__ = ["Launch", "answers", "check", "launch", "measure"]

_SECONDS: Final = 30.0
"""How long the agent may take to be reached, and to start a domain: it measures a file of some MiB."""

_TIMEVAL: Final = struct.Struct("@ll")

_SAME_RELEASE: Final = "are command line and platform of the same release?"


def measure(shield: Path, *, containers: bool = False) -> str:
    """`sha384:…`, what the platform will measure for this file; `containers`: where it joins from a container."""
    copy = sealed_copy(shield)
    try:
        measured = container_measurement_of(copy) if containers else measurement_of(copy)
        return f"sha384:{measured.hex()}"
    finally:
        os.close(copy)


class Launch(Running):
    """A launched domain."""

    def __init__(self, connection: socket.socket, pid: int, measurement: str) -> None:
        self._connection = connection
        self.pid = pid
        self.measurement = measurement

    def wait(self) -> int:
        try:
            event = receive(self._connection)
        except OSError:
            event = None
        if event is None:
            raise PlatformError("the platform's agent went away", remedy="see its log; start it again")
        match event:
            case {"event": "exited", "status": int(status)}:
                return status
            case {"event": "exited", "signal": int(number)}:
                return 128 + number
        raise PlatformError("the platform's agent says what nobody understands", remedy=_SAME_RELEASE)

    def signal(self, number: int) -> None:
        with suppress(OSError):
            send(self._connection, {"op": "signal", "signal": int(number)})

    def close(self) -> None:
        self._connection.close()


def launch(
    path: Path,
    *,
    shield: Path,
    host_data: bytes,
    bundle: bytes,
    arguments: list[str],
    environment: dict[str, str],
    stdio: tuple[int, int, int],
    seconds: float = _SECONDS,
) -> Launch:
    """Has the agent at `path` launch `shield` with `host_data` (32 bytes) fixed. The bundle never touches a disk."""
    request = {
        "op": "launch",
        "host_data": host_data.hex(),
        "shield": str(shield.absolute()),
        "arguments": arguments,
        "environment": environment,
    }
    end = time.monotonic() + seconds
    connection = _connect(path, seconds)
    try:
        connection.settimeout(seconds)
        # Where it refuses before it has read everything, its reason is there to be read.
        with bundle_file(bundle) as memory, suppress(BrokenPipeError):
            send(connection, request, (*stdio, memory))
        return _started(connection, receive(connection, seconds=end - time.monotonic()))
    except InputError as error:
        connection.close()
        raise PlatformError("what answers is no platform", step="platform.launch", remedy=_SAME_RELEASE) from error
    except TimeoutError as error:
        connection.close()
        raise PlatformError(
            "the platform's agent does not answer",
            step="platform.launch",
            got=f"nothing in {seconds:g} s",
            remedy="it hangs, or has too much to do: see its log; start it again",
        ) from error
    except OSError as error:
        connection.close()
        raise PlatformError(f"the platform's agent went away: {error.strerror or error}") from error
    except BaseException:
        connection.close()
        raise


def check(path: Path) -> None:
    """`PlatformError` where no agent listens."""
    _connect(path).close()


def answers(path: Path) -> bool:
    try:
        check(path)
    except PlatformError:
        return False
    return True


def _connect(path: Path, seconds: float = _SECONDS) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own limit does not wait in the queue of a busy agent at all (connect(2), EAGAIN).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*divmod(int(seconds * 1e6), 1_000_000)))
    try:
        with reachable(path) as address:
            connection.connect(address)
    except OSError as error:
        connection.close()
        why = f"nobody lets us in for {seconds:g} s" if isinstance(error, BlockingIOError) else error.strerror or error
        raise PlatformError(
            "no platform answers",
            step="platform.connect",
            got=f"{path}: {why}",
            remedy="start it: casemate platform simulate; there is no fall-back from one platform to another",
        ) from error
    return connection


def _started(connection: socket.socket, event: dict[str, Any] | None) -> Launch:
    match event:
        case {"event": "started", "pid": int(pid), "measurement": str(measurement)}:
            return Launch(connection, pid, measurement)
        case {"event": "refused", "reason": str(reason)}:
            raise PlatformError(f"the platform refused the launch: {reason}", step="platform.launch")
        case None:
            raise PlatformError("the platform's agent closed the connection", step="platform.launch")
    raise PlatformError("what answers is no platform", step="platform.launch", remedy=_SAME_RELEASE)
