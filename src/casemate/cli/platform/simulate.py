from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._home import agent_socket, platform_folder
from casemate.cli._output import Json, emit, note
from casemate.cli.platform._log import log_to_standard_error
from casemate.errors import UsageError
from casemate.simulator import pki
from casemate.simulator.agent import Agent
from casemate.simulator.hostile import Hostile


def simulate(
    hostile: Annotated[
        str | None, typer.Option(help=f"For tests: {', '.join(mode.value for mode in Hostile)}.")
    ] = None,
    socket: Annotated[Path | None, typer.Option(help="Where to listen, if not in the platform's folder.")] = None,
    as_json: Json = False,
) -> None:
    """Run the simulated platform's agent, which launches and measures shields, until it is stopped.

    Example: `casemate platform simulate &`
    """
    try:
        mode = Hostile(hostile) if hostile else None
    except ValueError as error:
        raise UsageError(f"no hostile mode {hostile}", expected=", ".join(mode.value for mode in Hostile)) from error
    path = (socket or agent_socket()).absolute()
    log_to_standard_error()
    agent = Agent(pki.load(platform_folder()), path, mode, on_ready=lambda: _announce(path, as_json=as_json))
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    signal.signal(signal.SIGINT, lambda *_: agent.stop())
    agent.serve_forever()


def _announce(path: Path, *, as_json: bool) -> None:
    """Once it listens: who starts it from a script waits for this line."""
    if as_json:
        emit({"agent": str(path), "pid": os.getpid()}, as_json=True)
    else:
        note(f"simulated platform on {path}: it protects nothing")
