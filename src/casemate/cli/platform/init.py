from __future__ import annotations

from casemate.cli._home import platform_folder
from casemate.cli._output import Json, emit, note, progress
from casemate.simulator import pki


def init(as_json: Json = False) -> None:
    """Make the simulated platform of this installation: a chip, its keys and certificates, all at random.

    Example: `casemate platform init`
    """
    with progress("making keys", quiet=as_json):
        platform = pki.create(platform_folder())
    if not as_json:
        note("The simulated platform protects nothing: it is for trying things out.")
    containers = pki.load(pki.containers(platform_folder()))
    emit(
        {
            "simulation_root": platform.root_fingerprint,
            "container_simulation_root": containers.root_fingerprint,
            "folder": str(platform_folder()),
        },
        as_json=as_json,
    )
