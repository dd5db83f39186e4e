"""The client of the agent: launches a shield and stays with it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from casemate.errors import PlatformError
from casemate.simulator.frames import receive, send
from casemate.simulator.measure import measurement_of, sealed_copy

__all__ = ["Launch", "launch", "measure"]


def measure(shield: Path) -> str:
    """`sha384:…`, what the platform will measure for this file."""
    copy = sealed_copy(shield)
    try:
        return f"sha384:{measurement_of(copy).hex()}"
    finally:
        os.close(copy)


class Launch:
    """A launched domain. Leaving the context, or `close`, ends it."""

    def __init__(self, connection: socket.socket, pid: int, measurement: str) -> None:
        self._connection = connection
        self.pid = pid
        self.measurement = measurement

    def __enter__(self) -> Launch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> int:
        """The exit status as a shell counts it: 128 and the number of a signal that ended it."""
        event = receive(self._connection)
        if event is None:
            raise PlatformError("the platform's agent went away", remedy="see its log; start it again")
        return 128 + int(event["signal"]) if "signal" in event else int(event["status"])

    def signal(self, number: int) -> None:
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
) -> Launch:
    """Has the agent at `path` launch `shield` with `host_data` (32 bytes) fixed. The bundle never touches a disk."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise PlatformError(
            "no platform answers",
            step="platform.connect",
            got=f"{path}: {error.strerror}",
            remedy="start it: casemate platform simulate; there is no fall-back from one platform to another",
        ) from error
    bundle_file = _memory_file(bundle)
    request = {
        "op": "launch",
        "host_data": host_data.hex(),
        "shield": str(shield.absolute()),
        "arguments": arguments,
        "environment": environment,
    }
    try:
        send(connection, request, (*stdio, bundle_file))
        event = receive(connection)
    except OSError as error:
        connection.close()
        raise PlatformError(f"the platform's agent went away: {error.strerror}") from error
    finally:
        os.close(bundle_file)
    return _started(connection, event)


def _started(connection: socket.socket, event: dict[str, Any] | None) -> Launch:
    if event is None or event.get("event") != "started":
        connection.close()
        reason = event.get("reason") if event else "it closed the connection"
        raise PlatformError(f"the platform refused the launch: {reason}", step="platform.launch")
    return Launch(connection, int(event["pid"]), str(event["measurement"]))


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("casemate-bundle", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
