"""What this host keeps about a custodian that it runs: folders and the manifest. Nothing of it is trusted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from casemate.cli._home import agent_socket, home, shield
from casemate.errors import UsageError
from casemate.manifest import library
from casemate.manifest.build import Built
from casemate.manifest.bundle import launch_bundle
from casemate.simulator.launch import Launch, launch

__all__ = ["CustodianHost", "load", "save", "start"]


@dataclass(frozen=True)
class CustodianHost:
    name: str
    data: str
    anchor: str
    manifest: str


def save(host: CustodianHost) -> None:
    path = _path(host.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(host), indent=1) + "\n")


def load(name: str) -> CustodianHost:
    try:
        return CustodianHost(**json.loads(_path(name).read_text()))
    except FileNotFoundError as error:
        raise UsageError(f"no custodian {name} on this host", remedy=f"casemate custodian init {name} …") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{_path(name)} is damaged", remedy="write it anew: data, anchor, manifest, name") from error


def start(host: CustodianHost, holes: dict[str, str], stdio: tuple[int, int, int]) -> Launch:
    """Launches the custodian's shield with one of its commands."""
    built: Built = library.load(home() / "manifests", host.manifest)
    return launch(
        agent_socket(),
        shield=shield(),
        host_data=bytes.fromhex(host.manifest.removeprefix("sha256:")),
        bundle=launch_bundle(built, holes=holes, mounts={"/data": host.data, "/anchor": host.anchor}),
        arguments=[],
        environment={},
        stdio=stdio,
    )


def _path(name: str) -> Path:
    return home() / "custodian-hosts" / f"{name}.json"
