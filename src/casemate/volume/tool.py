"""Asks `casemate-volume` (crates/volume-tool) to do something: a JSON object in, JSON lines out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from casemate.errors import PlatformError, VolumeError
from casemate.volume.refusals import refusal

__all__ = ["Listener", "ask", "result", "start"]

_PROGRESS: Final = re.compile(rb'\{"progress":\{"done":([0-9]{1,19}),"total":([0-9]{1,19})\}\}\s*')

Listener = Callable[[int, int], None]
"""Told how many of how many bytes are done."""


def ask(binary: Path, request: Mapping[str, Any], progress: Listener | None = None) -> dict[str, Any]:
    """Does `request` and returns its result. Errors: VolumeError and those below it, UsageError, PlatformError."""
    with start(binary, request, stderr=None) as process:
        line = _last_line(process, progress)
        process.wait()
    return result(line)


def start(
    binary: Path, request: Mapping[str, Any], *, stderr: IO[bytes] | None, new_session: bool = False
) -> subprocess.Popen[bytes]:
    """Starts on `request`; lines come on `stdout`. Errors: PlatformError when the program cannot be started."""
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
    with process.stdin as pipe:
        pipe.write(json.dumps(request).encode())
    process.stdin = None
    return process


def result(line: bytes) -> dict[str, Any]:
    """What a line says. Errors: as `ask`."""
    try:
        said = json.loads(line)
    except ValueError:
        said = {}
    if not isinstance(said, dict) or not said:
        raise VolumeError("the volume's program ended without a word", remedy="look at its messages above")
    failed = said.get("error")
    if failed is None:
        return dict(said.get("result", said))
    raise refusal(str(failed["code"]), str(failed["message"]))


def _last_line(process: subprocess.Popen[bytes], progress: Listener | None) -> bytes:
    last = b""
    for line in process.stdout or ():
        found = _PROGRESS.fullmatch(line)
        # A program that was killed says last how far it had come: that is no result.
        last = b"" if found else line
        if progress is not None and found:
            progress(int(found[1]), int(found[2]))
    return last
