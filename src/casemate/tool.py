"""Asks a program of crates/ to do something: a JSON object in, JSON lines out (crates/request)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from casemate.errors import CasemateError, PlatformError

__all__ = ["Listener", "Program"]

_PROGRESS: Final = re.compile(rb'\{"progress":\{"done":([0-9]{1,19}),"total":([0-9]{1,19})\}\}\s*')

Listener = Callable[[int, int], None]
"""Told how many of how many bytes are done."""
Entries = Callable[[Any], None]
"""Told each line that comes before the last."""


@dataclass(frozen=True)
class Program:
    """A program that does one request, and how its refusals become errors. `refusal` gets code and message."""

    name: str
    what: str
    refusal: Callable[[str, str], CasemateError]

    def installed(self) -> Path:
        """Beside this interpreter or on PATH. Errors: PlatformError."""
        beside = Path(sys.executable).parent / self.name
        found = str(beside) if beside.exists() else shutil.which(self.name)
        if not found:
            raise PlatformError(f"{self.name} is not installed", expected=str(beside), remedy="run: make setup")
        return Path(found)

    def ask(
        self,
        binary: Path,
        request: Mapping[str, Any],
        progress: Listener | None = None,
        entries: Entries | None = None,
    ) -> dict[str, Any]:
        """Does `request` and returns its result. Errors: those of `refusal`, PlatformError."""
        with self.start(binary, request, stderr=None) as process:
            line = _last_line(process, progress, entries)
            process.wait()
        return self.result(line)

    def start(
        self, binary: Path, request: Mapping[str, Any], *, stderr: IO[bytes] | None, new_session: bool = False
    ) -> subprocess.Popen[bytes]:
        """Starts on `request`; lines come on `stdout`. Errors: PlatformError when it cannot be started."""
        try:
            process = subprocess.Popen(
                [binary],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=new_session,
                cwd="/",
                env={"PATH": os.defpath},
            )
        except OSError as error:
            raise PlatformError(f"{binary} cannot be started: {error.strerror}", remedy="run: make setup") from error
        if process.stdin is None:
            raise PlatformError(f"{binary} cannot be asked")
        # Whatever ended it says so on its own lines, or `result` says that it said nothing.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(json.dumps(request).encode())
        process.stdin = None
        return process

    def result(self, line: bytes) -> dict[str, Any]:
        """What a last line says. Errors: as `ask`."""
        try:
            said = json.loads(line)
        except ValueError:
            said = {}
        if not isinstance(said, dict) or not said:
            raise self.refusal("silent", f"{self.what} ended without a word")
        failed = said.get("error")
        if failed is None:
            return dict(said.get("result", said))
        raise self.refusal(str(failed["code"]), str(failed["message"]))


def _last_line(process: subprocess.Popen[bytes], progress: Listener | None, entries: Entries | None) -> bytes:
    last = b""
    for line in process.stdout or ():
        found = _PROGRESS.fullmatch(line)
        if last and entries is not None:
            entries(json.loads(last))
        # A program that was killed says last how far it had come: that is no result.
        last = b"" if found else line
        if progress is not None and found:
            progress(int(found[1]), int(found[2]))
    return last
