from __future__ import annotations

from casemate.cli._home import agent_socket, platform_folder, shield
from casemate.cli._output import Json, emit
from casemate.cli._patience import Wait, patiently
from casemate.simulator import launch, pki


def show(wait: Wait = 0, as_json: Json = False) -> None:
    """Show the platform's root and what it measures for this machine's shield. Example: `casemate platform show`"""
    platform = pki.load(platform_folder())
    if wait:
        patiently(wait, lambda: launch.check(agent_socket()))
    running = launch.answers(agent_socket())
    facts = {
        "platform": "simulated",
        "protects": "nothing",
        "simulation_root": platform.root_fingerprint,
        "container_simulation_root": pki.load(pki.containers(platform_folder())).root_fingerprint,
        "shield": str(shield()),
        "runtime_measurement": launch.measure(shield()),
        "container_runtime_measurement": launch.measure(shield(), containers=True),
    }
    if as_json:
        emit({**facts, "agent": str(agent_socket()) if running else None}, as_json=True)
    else:
        emit({**facts, "agent": str(agent_socket()) if running else "not running"}, as_json=False)
