"""What this host keeps about a custodian that it runs: folders and the manifest. Nothing of it is trusted."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from casemate.cli._home import agent_socket, home, shield
from casemate.errors import UsageError
from casemate.manifest import library
from casemate.manifest.build import Built
from casemate.manifest.bundle import launch_bundle
from casemate.simulator.launch import Launch, launch

__all__ = ["CustodianHost", "exists", "load", "save", "start"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class CustodianHost:
    name: str
    data: str
    anchor: str
    manifest: str


def exists(name: str) -> bool:
    return _path(name).exists()


def save(host: CustodianHost) -> None:
    path = _path(host.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(host), indent=1) + "\n")


def load(name: str) -> CustodianHost:
    try:
        value = json.loads(_path(name).read_text())
    except FileNotFoundError as error:
        raise UsageError(
            f"no custodian {name} on this host",
            remedy=f"make one: casemate custodian init {name} --data FOLDER --anchor FOLDER --board NAME",
        ) from error
    except ValueError as error:
        raise _damaged(name) from error
    fields = set(CustodianHost.__dataclass_fields__)
    if not isinstance(value, dict) or set(value) != fields or not all(isinstance(v, str) for v in value.values()):
        raise _damaged(name)
    return CustodianHost(**value)


def start(host: CustodianHost, holes: dict[str, str], stdio: tuple[int, int, int]) -> Launch:
    """Launches the custodian's shield with one of its commands."""
    built: Built = library.load(home() / "manifests", host.manifest)
    for folder in (host.data, host.anchor):
        if not Path(folder).is_dir():
            raise UsageError(f"{folder} is not there", remedy="put the custodian's folder back where it was")
    return launch(
        agent_socket(),
        shield=shield(),
        host_data=bytes.fromhex(host.manifest.removeprefix("sha256:")),
        bundle=launch_bundle(built, holes=holes, mounts={"/data": host.data, "/anchor": host.anchor}),
        arguments=[],
        environment={},
        stdio=stdio,
    )


def _damaged(name: str) -> UsageError:
    return UsageError(f"{_path(name)} is damaged", remedy="write it anew: data, anchor, manifest, name")


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError("not a name for a custodian", expected="a-z, 0-9, - and _, at most 63", got=name[:80])
    return home() / "custodian-hosts" / f"{name}.json"
