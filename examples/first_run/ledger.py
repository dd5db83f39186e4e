"""More redis-servers, which keep what they acknowledge: append-only, each write flushed, on a sealed volume each."""

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
SERVICES = """\
  {name}:
    workload: {{manifest: {writer}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    lease: {lease}s
    files:
      /run/redis/ledger.conf: {{mode: "0400", content: "{conf}"}}
    volumes:
      /data: {{volume: {name}, mode: write}}
  {name}-audit:
    workload: {{manifest: {reader}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    volumes:
      /data: {{volume: {name}, mode: read}}
"""
VOLUME = "  {name}: {{freshness: strict, root: hash, accept_anchor: [insecure_file]}}\n"
LEASE = 5
"""Seconds. The shield renews it after a third of that, and ends its workload before the rest is over."""


@dataclass
class Writer:
    """One start of the service."""

    log: str
    port: int
    process: subprocess.Popen[bytes]


class Ledger:
    """A service which writes, and `…-audit`, which only reads; the volume's files are in `files`."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.name = stage, name
        self.files = stage.folder / f"{name}-files"
        self.early = stage.folder / f"{name}-early"
        self.twin = stage.folder / f"{name}-twin"
        self.acknowledged = 0
        self.writers: list[Writer] = []
        self._manifests: tuple[str, str] = ("", "")

    def build(self, *options: str) -> None:
        """The manifests of both services."""
        build = ("manifest", "build", *options, "--volume=/data")
        writer = self.stage.ask(
            *build, f"--policy=acme/records#{self.name}", "--file=/run/redis/ledger.conf", "--hole=host:port=[0-9]+",
            "--", "/usr/bin/redis-server", "/run/redis/ledger.conf", "--port", "{{ hole.port }}",
        )  # fmt: skip
        reader = self.stage.ask(
            *build, f"--policy=acme/records#{self.name}-audit", "--", "/usr/bin/busybox", "sh", "-c",
            "cat /data/appendonlydir/*.incr.aof",
        )  # fmt: skip
        self._manifests = (writer["manifest"], reader["manifest"])

    def services(self, runtime: str) -> str:
        """Their part of the policy."""
        writer, reader = self._manifests
        return SERVICES.format(name=self.name, writer=writer, reader=reader, runtime=runtime, conf=CONF, lease=LEASE)

    def volume(self) -> str:
        """The volume's part of the policy."""
        return VOLUME.format(name=self.name)

    def start(self, files: Path | None = None) -> Writer:
        log, port = f"{self.name}-{len(self.writers)}", free_port()
        options = ("--hole", f"port={port}", "--volume", f"/data={files or self.files}")
        process = self.stage.start(log, "run", f"acme/records#{self.name}", *options)
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
        return self.stage.cli("run", f"acme/records#{self.name}-audit", "--volume", f"/data={files or self.files}")

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
