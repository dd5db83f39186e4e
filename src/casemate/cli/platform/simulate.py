from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._home import agent_socket, platform_folder
from casemate.cli._output import Json, emit, note
from casemate.cli.platform._log import log_to_standard_error
from casemate.errors import UsageError
from casemate.simulator import pki
from casemate.simulator.agent import Agent
from casemate.simulator.containers import Containers
from casemate.simulator.hostile import Hostile


def simulate(
    hostile: Annotated[
        str | None, typer.Option(help=f"For tests: {', '.join(mode.value for mode in Hostile)}.")
    ] = None,
    socket: Annotated[Path | None, typer.Option(help="Where to listen, if not in the platform's folder.")] = None,
    containers: Annotated[
        Path | None, typer.Option(help="Where to listen for containers too: a weaker platform, of another name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the simulated platform's agent, which launches and measures shields, until it is stopped.

    With `--containers SOCKET` protected images join by that socket, mounted at /run/casemate/platform.sock in them.

    Example: `casemate platform simulate &`
    """
    try:
        mode = Hostile(hostile) if hostile else None
    except ValueError as error:
        raise UsageError(f"no hostile mode {hostile}", expected=", ".join(mode.value for mode in Hostile)) from error
    path = (socket or agent_socket()).absolute()
    log_to_standard_error()
    door = containers.absolute() if containers else None
    agent = Agent(pki.load(platform_folder()), path, mode, on_ready=lambda: _announce(path, door, as_json=as_json))
    with _listening_for_containers(door, mode):
        signal.signal(signal.SIGTERM, lambda *_: agent.stop())
        signal.signal(signal.SIGINT, lambda *_: agent.stop())
        agent.serve_forever()


@contextmanager
def _listening_for_containers(path: Path | None, mode: Hostile | None) -> Iterator[None]:
    if path is None:
        yield
        return
    listens = threading.Event()
    served = Containers(pki.load(pki.containers(platform_folder())), path, mode, on_ready=listens.set)
    with ThreadPoolExecutor(1) as thread:
        serving = thread.submit(served.serve_forever)
        serving.add_done_callback(lambda _: listens.set())
        listens.wait()
        try:
            if serving.done():
                serving.result()
            yield
        finally:
            served.stop()


def _announce(path: Path, containers: Path | None, *, as_json: bool) -> None:
    """Once it listens: who starts it from a script waits for this line."""
    if as_json:
        emit({"agent": str(path), "containers": str(containers) if containers else None, "pid": os.getpid()},
             as_json=True)  # fmt: skip
        return
    note(f"simulated platform on {path}: it protects nothing")
    if containers:
        note(f"simulated-container on {containers}: whoever reaches that socket can be anything")
