"""What a service asks of its platforms: from how it is written to what it means (spec/policy.md, "Platforms")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from casemate.platforms import PLATFORMS, Need
from casemate.policy._faults import Fault, Path, closest
from casemate.policy.form import PlatformForm, RuntimeForm, day

__all__ = ["Asked", "Measurements", "Waiver", "asked_of", "platform_faults", "runtime_faults"]


@dataclass(frozen=True, slots=True)
class Waiver:
    """`status` with these advisories and no others, or something that evidence lacks, is good enough until `until`."""

    status: str | None
    advisories: frozenset[str]
    lacks: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one platform: the least security versions, for each value those that are admitted, and what is waived."""

    tcb: Mapping[str, int]
    require: Mapping[str, frozenset[str]]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Measurements:
    """The runtimes that a service trusts: by platform, or one (`everywhere`) wherever it is measured."""

    by_platform: Mapping[str, tuple[str, ...]]
    everywhere: str | None = None

    @classmethod
    def of(cls, form: RuntimeForm) -> Measurements:
        listed = {name: tuple(values) for name, values in (form.measurements or {}).items()}
        return cls(MappingProxyType(listed), form.measurement)

    def on(self, platform: str) -> tuple[str, ...]:
        return (self.everywhere,) if self.everywhere is not None else self.by_platform.get(platform, ())

    def sentence(self, platform: str) -> str:
        """For people."""
        return " or ".join(self.on(platform)) or f"none for {platform}"


def asked_of(form: list[str] | dict[str, PlatformForm]) -> Mapping[str, Asked]:
    """By platform, in the order in which they are written."""
    if isinstance(form, list):
        return MappingProxyType({name: Asked({}, {}, ()) for name in form})
    return MappingProxyType({name: _asked(entry) for name, entry in form.items()})


def _asked(form: PlatformForm) -> Asked:
    return Asked(
        tcb=MappingProxyType(dict(form.tcb)),
        require=MappingProxyType({name: frozenset(values) for name, values in form.require.items()}),
        waivers=tuple(Waiver(one.status, frozenset(one.advisories), one.lacks, day(one.until)) for one in form.waive),
    )


def platform_faults(value: object, path: Path) -> list[Fault]:
    """All that is wrong with `platforms`, but for its form."""
    if isinstance(value, dict):
        return [fault for name, entry in value.items() for fault in _detailed_faults(str(name), entry, path)]
    faults: list[Fault] = []
    seen: set[str] = set()
    for index, name in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(name, str):
            continue
        if name in seen:
            faults.append(Fault((*path, index), f"{name} is listed twice", "list every platform once"))
        faults += _name_faults(name, (*path, index)) or _hollow_faults(name, {}, (*path, index))
        seen.add(name)
    return faults


def runtime_faults(value: object, platforms: object, path: Path) -> list[Fault]:
    """Of `runtime: {measurements: …}`: platforms that there are, that the service has, each with its hash."""
    measurements = value.get("measurements") if isinstance(value, dict) else None
    if not isinstance(measurements, dict):
        return []
    listed = [str(name) for name in platforms] if isinstance(platforms, (dict, list)) else []
    faults: list[Fault] = []
    for name, found in measurements.items():
        here = (*path, "measurements", name)
        if unknown := _name_faults(str(name), here, on_key=True):
            faults += unknown
        elif name not in listed:
            faults.append(Fault(here, f"{name} is not among the service's platforms", "list it there", on_key=True))
        else:
            faults += _hash_faults(str(name), found, here)
    missing = [name for name in listed if name in PLATFORMS and name not in measurements]
    if missing:
        faults.append(Fault((*path, "measurements"), f"no measurement for {missing[0]}", "add it, or take it off"))
    return faults


def _hash_faults(name: str, values: object, path: Path) -> Iterator[Fault]:
    algorithm = PLATFORMS[name].algorithm
    for index, text in enumerate(values if isinstance(values, list) else ()):
        if isinstance(text, str) and text.startswith("sha") and not text.startswith(f"{algorithm}:"):
            yield Fault((*path, index), f"{name} measures with {algorithm}", f'write "{algorithm}:…"')


def _name_faults(name: str, path: Path, *, on_key: bool = False) -> list[Fault]:
    if name in PLATFORMS:
        return []
    meant = closest(name, PLATFORMS)
    remedy = f"did you mean '{meant}'?" if meant else f"the platforms are {', '.join(PLATFORMS)}"
    return [Fault(path, f"there is no platform '{name}'", remedy, on_key)]


def _detailed_faults(name: str, entry: object, path: Path) -> list[Fault]:
    here = (*path, name)
    if unknown := _name_faults(name, here, on_key=True):
        return unknown
    known = PLATFORMS[name]
    faults: list[Fault] = []
    asked = entry if isinstance(entry, dict) else {}
    for field, names in (("tcb", known.tcb), ("require", known.values)):
        named = asked.get(field)
        for part in named if isinstance(named, dict) else ():
            if part not in names:
                faults.append(_unknown(name, str(part), sorted(names), (*here, field, part)))
    waivers = asked.get("waive")
    for index, waiver in enumerate(waivers if isinstance(waivers, list) else ()):
        if isinstance(waiver, dict):
            faults += _waiver_faults(name, waiver, (*here, "waive", index))
    return faults + _hollow_faults(name, asked, here)


def _unknown(platform: str, part: str, names: list[str], path: Path) -> Fault:
    meant = closest(part, names)
    remedy = f"did you mean '{meant}'?" if meant else f"there are {', '.join(names) or 'none'}"
    return Fault(path, f"{platform} has no '{part}'", remedy, on_key=True)


def _waiver_faults(platform: str, waiver: dict[str, Any], path: Path) -> list[Fault]:
    known = PLATFORMS[platform]
    waivable = [name for name, stand_in in known.lacks.items() if stand_in is None]
    faults: list[Fault] = []
    for field, names in (("status", sorted(known.statuses)), ("lacks", waivable)):
        text = waiver.get(field)
        if isinstance(text, str) and text not in names:
            listed = f"what can be waived is {', '.join(names)}" if names else "leave the waiver out"
            faults.append(Fault((*path, field), f"of {platform}, '{text}' cannot be waived", listed))
    return faults


def _hollow_faults(name: str, asked: dict[str, Any], path: Path) -> list[Fault]:
    """What looks like a policy and says nothing: what has to be asked for, and what means something with another."""
    fields = {field: asked.get(field) for field in ("tcb", "require")}
    said = {f"{field}.{part}" for field, parts in fields.items() if isinstance(parts, dict) for part in parts}
    faults = [
        Fault(path, f"{need.why}{_missing(need, said)}", need.remedy, on_key=isinstance(path[-1], str))
        for need in PLATFORMS[name].unmet(said)
    ]
    for part, other in PLATFORMS[name].hollow(said).items():
        message = f"{part.partition('.')[2]} is what whoever signed it says, and anybody may sign"
        faults.append(Fault((*path, *part.split(".")), message, f"require {other.partition('.')[2]} too", on_key=True))
    return faults


def _missing(need: Need, said: set[str]) -> str:
    """Where there is one way only."""
    missing = sorted(part.partition(".")[2] for part in need.ways[0] - said) if len(need.ways) == 1 else []
    return f": no {', '.join(missing)}" if missing else ""
