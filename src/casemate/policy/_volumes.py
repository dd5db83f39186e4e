"""Volumes: what the document says of them, and which service gets which (spec/policy.md, "Volumes")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from casemate.policy._faults import Fault, Path, closest

__all__ = ["volume_faults"]


def volume_faults(volumes: object, services: object) -> list[Fault]:
    """All that is wrong between `volumes` and the services that name them; forms are judged elsewhere."""
    named = volumes if isinstance(volumes, dict) else {}
    faults: list[Fault] = []
    users: dict[str, str] = {}
    for service, uses in _services(services):
        seen: set[str] = set()
        for path, volume in uses:
            here: Path = ("services", service, "volumes", path, "volume")
            faults += _reference_faults(volume, here, named)
            if volume in seen:
                faults.append(Fault(here, f"the volume {volume} is mounted twice", "mount it at one path"))
            seen.add(volume)
            first = users.setdefault(volume, service)
            if first != service and _root(named.get(volume)) == "tag":
                faults.append(_shared(here, volume, first))
    return faults


def _reference_faults(volume: str, path: Path, named: Mapping[str, Any]) -> list[Fault]:
    if volume in named:
        return []
    meant = closest(volume, named)
    listed = ", ".join(named) or "(none)"
    remedy = f"did you mean '{meant}'?" if meant else f"add it to 'volumes'; those are {listed}"
    return [Fault(path, f"there is no volume '{volume}'", remedy)]


def _shared(path: Path, volume: str, first: str) -> Fault:
    """Whoever has the key of a `tag` volume can make another content with the same root."""
    message = f"the key of a volume with root: tag reaches one service only, and {volume} is mounted by {first}"
    return Fault(path, message, "use a volume with root: hash, which binds against those who have its key")


def _services(value: object) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each service with (path, volume) of what it mounts; what is of another form is told by the form."""
    for name, service in value.items() if isinstance(value, dict) else ():
        mounted = service.get("volumes") if isinstance(service, dict) else None
        uses = [
            (path, entry["volume"])
            for path, entry in (mounted.items() if isinstance(mounted, dict) else ())
            if isinstance(entry, dict) and isinstance(entry.get("volume"), str)
        ]
        yield name, uses


def _root(volume: object) -> object:
    return volume.get("root") if isinstance(volume, dict) else None
