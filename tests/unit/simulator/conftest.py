"""An agent in a thread, and programs to launch: real sockets, real processes, a platform made once."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from casemate.errors import PlatformError
from casemate.simulator import pki
from casemate.simulator.agent import Agent
from casemate.simulator.frames import receive, send
from casemate.simulator.hostile import Hostile
from casemate.simulator.launch import Launch, launch

HOST_DATA = bytes(range(32))
SECONDS = 20
"""Until a test that waits for something that must come gives up."""


@dataclass
class Running:
    """An agent that listens on `path`."""

    path: Path
    agent: Agent
    thread: threading.Thread
    started: list[Launch] = field(default_factory=list)

    def launch(self, program: str | Path, *arguments: str, **changes: Any) -> Launch:
        """Launches `program` with nothing to read and nobody who reads."""
        with open(os.devnull, "r+b") as nothing:
            number = nothing.fileno()
            wanted: dict[str, Any] = {
                "shield": Path(program),
                "host_data": HOST_DATA,
                "bundle": b"bundle",
                "arguments": list(arguments),
                "environment": {"PATH": "/usr/bin:/bin"},
                "stdio": (number, number, number),
                **changes,
            }
            started = launch(self.path, **wanted)
        self.started.append(started)
        return started

    @contextmanager
    def run(self, program: str | Path, *arguments: str, **changes: Any) -> Iterator[tuple[Launch, Dialogue]]:
        """A launch and both ends of what it reads and writes."""
        with Dialogue() as dialogue:
            theirs = dialogue.theirs()
            started = self.launch(program, *arguments, stdio=theirs, **changes)
            dialogue.handed_over()
            with started:
                yield started, dialogue

    def refusal(self, value: Any, descriptors: int = 4) -> str:
        """Why the agent refuses this request; it has let go of everything when it closes the connection."""
        with watched() as descriptor, self.connect() as connection:
            with suppress(BrokenPipeError):
                send(connection, value, (descriptor,) * descriptors)
            event = receive(connection, seconds=SECONDS)
            assert event is not None
            assert event["event"] == "refused", event
            assert ended(connection)
            return str(event["reason"])

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.path))
        return connection

    def stop(self) -> None:
        self.agent.stop()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the agent does not stop"


def refused(agent: Agent) -> PlatformError:
    """The error with which an agent that must not listen ends."""
    errors: list[PlatformError] = []

    def serve() -> None:
        try:
            agent.serve_forever()
        except PlatformError as error:
            errors.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    thread.join(SECONDS)
    agent.stop()
    assert errors, "it listens"
    return errors[0]


class Dialogue:
    """Pipes to a launched program: `say` to its standard input, `line` and `rest` are what it writes."""

    def __init__(self) -> None:
        their_input, ours = os.pipe()
        theirs, their_output = os.pipe()
        self._theirs = [their_input, their_output]
        self._input: IO[bytes] = os.fdopen(ours, "wb", buffering=0)
        self._output: IO[bytes] = os.fdopen(theirs, "rb", buffering=0)
        self._left = b""

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.handed_over()
        self._input.close()
        self._output.close()

    def theirs(self) -> tuple[int, int, int]:
        return self._theirs[0], self._theirs[1], self._theirs[1]

    def handed_over(self) -> None:
        while self._theirs:
            os.close(self._theirs.pop())

    def say(self, data: bytes) -> None:
        self._input.write(data)

    def line(self) -> str:
        while b"\n" not in self._left:
            assert self._more(), "it ended"
        line, _, self._left = self._left.partition(b"\n")
        return line.decode()

    def rest(self) -> bytes:
        """Until all that holds the other end is gone."""
        while self._more():
            pass
        return self._left

    def _more(self) -> bool:
        assert select.select([self._output], [], [], SECONDS)[0], f"nothing more comes after {self._left!r}"
        data = os.read(self._output.fileno(), 65536)
        self._left += data
        return bool(data)


@contextmanager
def watched() -> Iterator[int]:
    """A descriptor to hand over, of a pipe of its own; afterwards nothing in this process may hold it but we."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end), os.fdopen(write_end, "w"):
        yield write_end
        inode = os.fstat(write_end).st_ino
        assert [number for number in _all_descriptors() if _inode(number) == inode] == sorted((read_end, write_end))


def _all_descriptors() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc/self/fd"))


def _inode(number: int) -> int | None:
    try:
        return os.fstat(number).st_ino
    except OSError:
        return None


def ended(connection: socket.socket) -> bool:
    """The other side closed it; with a reset, where it had not read everything."""
    try:
        return receive(connection, seconds=SECONDS) is None
    except ConnectionResetError:
        return True


def request(program: str | Path = "/bin/true", **changes: Any) -> dict[str, Any]:
    """A launch as spec/evidence.md has it."""
    wanted = {"op": "launch", "host_data": HOST_DATA.hex(), "shield": str(program), "arguments": [], "environment": {}}
    return {name: value for name, value in {**wanted, **changes}.items() if value is not ...}


Starter = Callable[..., Running]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    """One for all tests: its RSA keys take seconds to make."""
    return pki.create(tmp_path_factory.mktemp("platform") / "platform")


@pytest.fixture
def start(platform: pki.SimulatedPlatform, tmp_path: Path) -> Iterator[Starter]:
    """Starts agents, which end with the test."""
    running: list[Running] = []

    def start_agent(path: Path | None = None, hostile: Hostile | None = None) -> Running:
        place, ready = path or tmp_path / "agent.sock", threading.Event()
        agent = Agent(platform, place, hostile, ready.set)
        thread = threading.Thread(target=agent.serve_forever, daemon=True)
        thread.start()
        assert ready.wait(SECONDS)
        running.append(Running(place, agent, thread))
        return running[-1]

    yield start_agent
    for item in running:
        for started in item.started:
            started.close()
        item.stop()


@pytest.fixture
def agent(start: Starter) -> Running:
    return start()
