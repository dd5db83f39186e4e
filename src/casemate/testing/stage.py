"""The stage: a folder of its own, and commands that run in it as anybody would run them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import casemate

__all__ = ["Result", "Stage", "StageError", "free_port", "listens", "wait_for"]

_CLI = str(Path(sys.executable).parent / "casemate")
_PACKAGES = str(Path(casemate.__file__).parent.parent)
"""The command line is to run this very code, not another copy that is installed."""


class StageError(Exception):
    """The demo itself could not go on."""


@dataclass(frozen=True)
class Result:
    status: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """The last line of what it complained about, for people."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        shield = [line for line in lines if line.startswith("casemate-shield: ") and "timing" not in line]
        return (shield or lines or ["nothing"])[-1]


class Stage:
    """Holds folder, environment and background processes; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="casemate-stage-"))
        self.home = self.folder / "home"
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ},
            "CASEMATE_HOME": str(self.home),
            "PYTHONPATH": _PACKAGES,
            "HOME": str(self.folder),
            "NO_COLOR": "1",
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def cli(
        self, *arguments: str | Path, env: dict[str, str] | None = None, stdin: str = "", seconds: float = 60
    ) -> Result:
        """Runs a command to its end, whatever that is."""
        done = subprocess.run(
            [_CLI, *map(str, arguments)],
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ask(self, *arguments: str | Path, seconds: float = 60) -> dict[str, Any]:
        """Runs a command that must succeed and returns its JSON."""
        result = self.cli(*arguments[:2], "--json", *arguments[2:], seconds=seconds)
        if result.status:
            raise StageError(f"casemate {' '.join(map(str, arguments))}: {result.output}{result.errors}")
        answer: dict[str, Any] = json.loads(result.output)
        return answer

    def start(self, log: str, *arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Starts a command in the background; its output goes to a log file."""
        with (self.logs / f"{log}.log").open("ab") as output:
            process = subprocess.Popen(
                [_CLI, *map(str, arguments)],
                env={**self.environment, **(env or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._running.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody does, on this machine."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what: str, ready: Callable[[], object], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise StageError(f"{what} did not come up within {seconds:.0f} s")
        time.sleep(0.02)
