"""Starts a shield on this machine's TPM. Nobody measures it here: whoever booted the machine did, into PCR 11."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

from casemate.errors import PlatformError
from casemate.simulator.process import Process, spawn
from casemate.simulator.running import Running, bundle_file

__all__ = ["Started", "start"]

_END_SECONDS: Final = 10


class Started(Running):
    """A shield that was started here."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    def wait(self) -> int:
        status = self._process.wait()
        if status is None:
            raise PlatformError("the shield cannot be waited for")
        return status if status >= 0 else 128 - status

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """Ends it, first by SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._process.send_signal(number)
            if self._process.wait(_END_SECONDS) is not None:
                break
        self._process.close()


def start(
    tpm: Path,
    *,
    shield: Path,
    bundle: bytes,
    arguments: list[str],
    environment: dict[str, str],
    stdio: tuple[int, int, int],
) -> Started:
    """Starts `shield` with the launch bundle, which never touches a disk. Errors: PlatformError."""
    try:
        program = os.open(shield, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PlatformError(f"{shield}: {error.strerror}", remedy="run: make setup") from error
    try:
        with bundle_file(bundle) as memory:
            command = [str(shield), "--tpm", str(tpm.absolute()), *arguments]
            # There is no platform that could hand over a socket as descriptor 3.
            return Started(spawn(program, command, environment, (*stdio, None, memory)))
    except OSError as error:
        raise PlatformError(f"{shield} cannot be started: {error.strerror}", remedy="run: make setup") from error
    finally:
        os.close(program)
