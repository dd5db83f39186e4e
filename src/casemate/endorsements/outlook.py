"""What will end soon, and which services that will hit: a look ahead, at nothing that is asked of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from casemate.endorsements.cache import Cache
from casemate.errors import MalformedError
from casemate.policy.model import PolicyDocument
from casemate.wire.fields import parse_time
from casemate.wire.policies import DecisionAnswer

__all__ = ["Coming", "outlook"]


@dataclass(frozen=True, slots=True)
class Coming:
    """At `end`, `what` (of this name) is over; `services` (`acme/records#api`) rest on it at their next start."""

    end: datetime
    name: str
    what: str
    services: tuple[str, ...]


def outlook(
    cache: Cache,
    decisions: Iterable[DecisionAnswer],
    documents: Iterable[PolicyDocument],
    *,
    at: datetime,
    within: timedelta,
) -> list[Coming]:
    """The soonest first, what is over already too.

    Of each service the newest release counts, on each machine; what endorsed it and is newer in the cache counts as the
    newer one. Waivers of `documents` end as endorsements do.
    """
    rest: dict[str, dict[str, datetime]] = {}
    for service, ends in _resting(decisions):
        for name, end in ends.items():
            rest.setdefault(name, {})[service] = end
    found = [*_endorsements(cache, rest), *_waivers(documents)]
    return sorted((one for one in found if one.end <= at + within), key=lambda one: (one.end, one.name))


def _resting(decisions: Iterable[DecisionAnswer]) -> Iterator[tuple[str, Mapping[str, datetime]]]:
    """Services, with what the evidence of their newest release rests on; `decisions` come newest first."""
    seen: set[tuple[str, str]] = set()
    for decision in decisions:
        service, machine = f"{decision.policy}#{decision.service}", str(decision.claims.get("hardware"))
        if decision.outcome != "released" or (service, machine) in seen:
            continue
        seen.add((service, machine))
        yield service, _times(decision.claims.get("ends"))


def _times(value: object) -> dict[str, datetime]:
    """A custodian said it; what is no time is passed by, since nothing is decided by it."""
    found = {}
    for name, text in value.items() if isinstance(value, dict) else ():
        try:
            found[str(name)] = parse_time(str(text))
        except MalformedError:
            continue
    return found


def _endorsements(cache: Cache, rest: Mapping[str, Mapping[str, datetime]]) -> Iterator[Coming]:
    cached = {name: facts for name in cache.names() if (facts := cache.facts(name)) is not None}
    for name in sorted({*cached, *rest}):
        services, facts = rest.get(name, {}), cached.get(name)
        # Evidence brings its own where the cache has none.
        end = max([*services.values(), *([facts.end] if facts else [])])
        yield Coming(end, name, facts.what if facts else name, tuple(sorted(services)))


def _waivers(documents: Iterable[PolicyDocument]) -> Iterator[Coming]:
    for document in documents:
        for service in document.services.values():
            for platform, asked in service.platforms.items():
                for waiver in asked.waivers:
                    what = f"waiver of {waiver.status or f'missing {waiver.lacks}'} on {platform}"
                    place = f"services.{service.name}.platforms.{platform}.waive"
                    yield Coming(waiver.until, place, what, (f"{document.policy}#{service.name}",))
