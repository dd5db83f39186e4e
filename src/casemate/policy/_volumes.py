"""Volumes: what the document says of them, and which service gets which (spec/policy.md, "Volumes")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from casemate.policy._access import names_of, rule_faults
from casemate.policy._faults import Fault, Path, closest

__all__ = ["people_faults", "volume_faults"]


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


def people_faults(volumes: object, principals: object) -> list[Fault]:
    """All that is wrong with who may mount a volume by hand."""
    faults: list[Fault] = []
    for name, volume in volumes.items() if isinstance(volumes, dict) else ():
        people = volume.get("people") if isinstance(volume, dict) else None
        if not isinstance(people, dict):
            continue
        path: Path = ("volumes", name, "people")
        if _root(volume) == "tag":
            message = "whoever has the key of a volume with root: tag can make another content with the same root"
            faults.append(Fault(path, message, "people need a volume with root: hash", on_key=True))
        for mode in ("read", "write", "rekey"):
            # What is no rule at all is told by the form.
            if isinstance(people.get(mode), dict) and {"any", "all", "of"} & set(people[mode]):
                faults += rule_faults(people[mode], (*path, mode), names_of(principals))
                faults += _alone_faults(people[mode], (*path, mode))
    return faults


def _alone_faults(rule: Mapping[str, Any], path: Path) -> list[Fault]:
    """A person asks alone: a rule that needs two admits nobody, which its author did not mean."""
    members = rule.get("all") or rule.get("of")
    needed = rule.get("at_least", len(members) if isinstance(members, list) else 1)
    if "any" in rule or needed == 1:
        return []
    return [Fault(path, "whoever asks for a volume asks alone, and this rule needs several", "write {any: […]}")]


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
