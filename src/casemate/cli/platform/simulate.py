from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._home import agent_socket, platform_folder
from casemate.cli._output import note
from casemate.errors import UsageError
from casemate.simulator import pki
from casemate.simulator.agent import Agent
from casemate.simulator.hostile import Hostile


def simulate(
    hostile: Annotated[
        str | None, typer.Option(help=f"For tests: {', '.join(mode.value for mode in Hostile)}.")
    ] = None,
    socket: Annotated[Path | None, typer.Option(help="Where to listen, if not in the platform's folder.")] = None,
) -> None:
    """Run the simulated platform's agent, which launches and measures shields, until it is stopped.

    Example: `casemate platform init && casemate platform simulate &`
    """
    try:
        mode = Hostile(hostile) if hostile else None
    except ValueError as error:
        raise UsageError(f"no hostile mode {hostile}", expected=", ".join(mode.value for mode in Hostile)) from error
    path = socket or agent_socket()
    agent = Agent(pki.load(platform_folder()), path, mode)
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    signal.signal(signal.SIGINT, lambda *_: agent.stop())
    note(f"simulated platform on {path}: it protects nothing")
    agent.serve_forever()
