"""A second redis-server, which keeps what it acknowledges: append-only, each write flushed, on a sealed volume."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from casemate.testing.stage import Result, Stage, StageError, free_port, wait_for

__all__ = ["Ledger", "Writer"]

CONF = 'bind 127.0.0.1\\nprotected-mode no\\nsave \\"\\"\\nappendonly yes\\nappendfsync always\\ndir /data\\n'
AUDIT = "cat /data/appendonlydir/*.incr.aof"


@dataclass
class Writer:
    """One start of the service."""

    log: str
    port: int
    process: subprocess.Popen[bytes]


class Ledger:
    """The service `ledger`, and `audit`, which only reads; the volume's files are in `files`."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.files = stage.folder / "ledger-files"
        self.early = stage.folder / "ledger-early"
        self.twin = stage.folder / "ledger-twin"
        self.acknowledged = 0
        self.writers: list[Writer] = []

    def start(self, files: Path | None = None) -> Writer:
        log, port = f"ledger-{len(self.writers)}", free_port()
        options = ("--hole", f"port={port}", "--volume", f"/data={files or self.files}")
        process = self.stage.start(log, "run", "acme/records#ledger", *options)
        self.writers.append(Writer(log, port, process))
        return self.writers[-1]

    def wait(self, writer: Writer, seconds: float = 40) -> None:
        """Until it answers."""

        def ready() -> bool:
            if writer.process.poll() is not None:
                raise StageError(f"the ledger stopped: {self.said(writer)[-2000:]}")
            return self.ask(writer) is not None

        wait_for("the ledger", ready, seconds=seconds)

    def said(self, writer: Writer) -> str:
        return self.stage.log(writer.log)

    def ask(self, writer: Writer, command: str = "PING", seconds: float = 20) -> str | None:
        """One command and its answer, or None without one."""
        try:
            with socket.create_connection(("127.0.0.1", writer.port), timeout=seconds) as connection:
                connection.sendall(f"{command}\r\n".encode())
                answer = connection.recv(4096).decode()
        except OSError:
            return None
        return answer.strip() if answer.startswith((":", "+", "$")) else None

    def add(self, writer: Writer, seconds: float = 20) -> bool:
        """One more record; whether it was acknowledged."""
        acknowledged = self.ask(writer, "INCR patient-canary", seconds) is not None
        self.acknowledged += acknowledged
        return acknowledged

    def write(self, writer: Writer, count: int) -> None:
        if not all(self.add(writer) for _ in range(count)):
            raise StageError("the ledger acknowledged nothing")

    def link_twin(self) -> None:
        """The very same files under other names, but for the lock: what a host can do to a lock of its own."""
        self.twin.mkdir()
        for path in self.files.iterdir():
            if path.name != "lock":
                (self.twin / path.name).hardlink_to(path)

    def audit(self, files: Path | None = None) -> Result:
        return self.stage.cli("run", "acme/records#audit", "--volume", f"/data={files or self.files}")

    def kept(self, files: Path | None = None) -> int:
        """How many increments a reader finds in what the anchor has."""
        return self.audit(files).output.count("patient-canary")

    def shield(self) -> int:
        """Of the writer: the process that holds the lock of the volume's folder."""
        for process in Path("/proc").glob("[0-9]*"):
            if str(self.files / "lock") in _opened(process):
                return int(process.name)
        raise StageError("nobody serves the ledger's volume")

    def signal(self, number: signal.Signals) -> int:
        process = self.shield()
        os.kill(process, number)
        return process


def _opened(process: Path) -> Iterator[str]:
    try:
        yield from [os.readlink(entry) for entry in (process / "fd").iterdir()]
    except OSError:
        return
