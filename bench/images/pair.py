"""A service's ordinary image and the protected one, both in the host's engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.result import Result
from casemate.testing.stage import Result as Outcome
from examples.services.hosted import Hosted
from examples.services.images import Images
from examples.services.place import Place
from examples.services.running import Running
from examples.services.service import Service

__all__ = ["Pair", "pair", "ratio"]


@dataclass(frozen=True)
class Pair:
    """`environment` is what the protected image has in its manifest, for the plain one."""

    hosted: Hosted
    plain: str
    protected: str
    environment: Sequence[str] = ()

    def run_plain(self) -> Outcome:
        return self.hosted.place.host.podman("run", "--rm", *self._flags(), self.plain)

    def run_protected(self) -> Outcome:
        return self.hosted.run(self.protected)

    @contextmanager
    def plain_started(self) -> Iterator[Running]:
        hosted, name = self.hosted, f"plain-{self.hosted.service.name}"
        host = hosted.place.host
        try:
            host.ask("run", "--detach", "--name", name, *self._flags(), self.plain)
            running = Running(name, hosted)
            running.wait()
            yield running
        finally:
            host.remove(name)

    @contextmanager
    def protected_started(self) -> Iterator[Running]:
        with self.hosted.started(self.protected) as running:
            yield running

    def _flags(self) -> Sequence[str]:
        said = [f"PORT={self.hosted.port}", *self.environment]
        return ("--network", "host", *(word for variable in said for word in ("--env", variable)))


def pair(place: Place, images: Images, service: Service) -> Pair:
    """Protects the service's image, has a policy admit it, and pulls both."""
    hosted = Hosted(place, images, service)
    hosted.begin()
    hosted.admit(1)
    plain = place.host.ask("pull", "--quiet", images.ordinary(service)).splitlines()[-1]
    options = [*service.options, ""]
    environment = [value for option, value in itertools.pairwise(options) if option == "--env"]
    return Pair(hosted, plain, hosted.pull("1"), environment)


def ratio(what: str, values: list[float], *, goal: float | None) -> Result:
    """How many times as fast as the plain one it is, pair by pair."""
    return Result(f"image: {what}", "times", values, goal=goal, more_is_better=True)
