from __future__ import annotations

from casemate.cli._home import agent_socket, platform_folder, shield
from casemate.cli._output import Json, emit
from casemate.simulator import launch, pki


def show(as_json: Json = False) -> None:
    """Show the platform's root and what it measures for this machine's shield."""
    platform = pki.load(platform_folder())
    emit(
        {
            "platform": "simulated",
            "protects": "nothing",
            "simulation_root": platform.root_fingerprint,
            "shield": str(shield()),
            "runtime_measurement": launch.measure(shield()),
            "agent": str(agent_socket()) if agent_socket().exists() else None,
        },
        as_json=as_json,
    )
