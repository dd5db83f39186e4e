"""Starts a shield on this machine's TPM. Nobody measures it here: whoever booted the machine did, into PCR 11."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Final

from casemate.errors import PlatformError
from casemate.simulator.process import Process, spawn

__all__ = ["Started", "start"]

_END_SECONDS: Final = 10


class Started:
    """A shield that runs. Leaving the context, or `close`, ends it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    def __enter__(self) -> Started:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> int:
        """The exit status as a shell counts it: 128 and the number of a signal that ended it."""
        status = self._process.wait()
        if status is None:
            raise PlatformError("the shield cannot be waited for")
        return status if status >= 0 else 128 - status

    def signal(self, number: int) -> None:
        """Nothing, where it ended meanwhile."""
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
    memory = os.memfd_create("casemate-bundle", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(bundle)
        os.lseek(memory, 0, os.SEEK_SET)
        command = [str(shield), "--tpm", str(tpm.absolute()), *arguments]
        # There is no platform that could hand over a socket as descriptor 3.
        return Started(spawn(program, command, environment, (*stdio, None, memory)))
    except OSError as error:
        raise PlatformError(f"{shield} cannot be started: {error.strerror}", remedy="run: make setup") from error
    finally:
        os.close(memory)
        os.close(program)
