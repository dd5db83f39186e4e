"""One service from its ordinary image to the protected one on the attacker's machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from casemate.testing.engine import shield_arguments
from casemate.testing.stage import Result, free_port
from examples.services.images import Images
from examples.services.place import Place
from examples.services.running import Running
from examples.services.service import Service

__all__ = ["LEASE_SECONDS", "Hosted"]

LEASE_SECONDS: Final = 45
"""Whoever started lives on for this long without its custodian; it asks for more after a third of it."""

_NUMBERS: Final = itertools.count(1)
_MINUTES: Final = 10 * 60


@dataclass
class Hosted:
    """`admit` it, then `run` or `start` it by its name."""

    place: Place
    images: Images
    service: Service
    port: int = field(default_factory=free_port)
    _ordinary: str = ""

    @property
    def policy(self) -> str:
        return f"acme/{self.service.name}"

    @property
    def file(self) -> Path:
        """The policy, as its owner keeps it."""
        return self.place.stage.folder / f"{self.service.name}.yaml"

    @property
    def name(self) -> str:
        """Of the image in the registry."""
        return f"{self.place.registry.address}/acme/{self.service.name}"

    @property
    def ordinary(self) -> str:
        """The ordinary image in its owner's engine, where its client is run."""
        self._ordinary = self._ordinary or self.images.loaded(self.service)
        return self._ordinary

    def begin(self) -> None:
        """A policy for it, which admits nothing yet."""
        self.place.stage.ask(
            "policy", "init", self.policy, "--owner", "alice", "--custodian", "main", "--insecure-simulation",
            "--output", self.file,
        )  # fmt: skip
        self.file.unlink()

    def admit(self, release: int) -> None:
        """Pushes the image as `:RELEASE`, and has the policy admit this one and no other."""
        made = self.protect(str(release), *self.service.options, "--env", f"RELEASE={release}", policy=self.file)
        document = yaml.safe_load(self.file.read_text())
        _merge(document, {"services": {self.service.name: {"lease": f"{LEASE_SECONDS}s"}}})
        _merge(document, {"principals": {name: {"key": self.place.keys[name]} for name in self.service.people}})
        _merge(document, self.service.policy)
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))
        how = ["--sealed", made["sealed"]] if made["sealed"] else ["--on-top"]
        self.place.stage.ask("policy", "submit", self.file, "--as", "alice", *how)
        if release == 1 and self.service.prepare is not None:
            self.service.prepare(self)

    def admit_releases(self, *revoked: str) -> None:
        """Has the policy admit what alice releases, but not these versions."""
        document = yaml.safe_load(self.file.read_text())
        admitted = {"release": self.policy, "at_least": "1.0", "signed_by": {"any": ["alice"]}, "revoked": [*revoked]}
        document["services"][self.service.name]["workload"] = admitted
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))
        self.place.stage.ask("policy", "submit", self.file, "--as", "alice", "--on-top")

    def release(self, tag: str, version: str) -> None:
        """Pushes the image `:TAG` as `:VERSION` as well, with alice's statement in it that it is that one."""
        ask, statement = self.place.stage.ask, self.place.stage.folder / f"{self.service.name}-{version}.json"
        ask(
            "release", "create", self.policy, version, f"{self.policy}#{self.service.name}",
            "--image", f"docker://{self.name}:{tag}", "--out", statement, "--as", "alice", seconds=_MINUTES,
        )  # fmt: skip
        ask(
            "image", "attach", f"docker://{self.name}:{tag}", f"docker://{self.name}:{version}",
            "--statement", statement, seconds=_MINUTES,
        )  # fmt: skip

    def protect(
        self, tag: str, *options: str | Path, policy: Path | None = None, ordinary: str | None = None
    ) -> dict[str, Any]:
        """What `casemate image protect` says. `policy`: the file that is made to fit. `ordinary`: if not its own."""
        written: list[str | Path] = [] if policy is None else ["--policy-out", policy]
        volumes = [text for name, path in self.service.volumes.items() for text in ("--volume", f"{name}:{path}")]
        return self.place.stage.ask(
            "image", "protect", ordinary or self.images.ordinary(self.service), f"docker://{self.name}:{tag}",
            "--policy", f"{self.policy}#{self.service.name}", *written, "--as", "alice", "--container",
            *self._port("--hole", "host:PORT=[0-9]{2,5}"), *volumes, *options, seconds=_MINUTES,
        )  # fmt: skip

    def pull(self, tag: str) -> str:
        """What it is started by: a name of the engine's."""
        name = f"{self.name}:{tag}"
        self.place.host.ask("pull", "--quiet", "--tls-verify=false", name, seconds=_MINUTES)
        return name

    def run(self, image: str, *, custodian: str = "") -> Result:
        """To its end."""
        return self.place.host.podman("run", "--rm", *self._flags(custodian), image)

    @contextmanager
    def started(self, image: str) -> Iterator[Running]:
        """While the block lasts."""
        container = f"{self.service.name}-{next(_NUMBERS)}"
        self.place.host.ask("run", "--detach", "--name", container, *self._flags(), image)
        try:
            running = Running(container, self)
            if self.service.listens:
                running.wait()
            yield running
        finally:
            self.place.host.remove(container)

    def folder(self, volume: str) -> Path:
        """The host's, with what it has of a sealed volume."""
        return self.place.stage.folder / "volumes" / self.service.name / volume

    def _flags(self, custodian: str = "") -> Sequence[str]:
        more = ["--env", f"CASEMATE_CUSTODIAN={custodian or self.place.address}"]
        more += self._port("--env", f"CASEMATE_HOLE_PORT={self.port}")
        for volume, path in self.service.volumes.items():
            self.folder(volume).mkdir(parents=True, exist_ok=True)
            more += ["--volume", f"{self.folder(volume)}:/casemate/volumes{path}"]
        return shield_arguments(self.place.door, *more)

    def _port(self, *words: str) -> Sequence[str]:
        return words if self.service.listens else ()


def _merge(document: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _merge(document.setdefault(key, {}), value)
        else:
            document[key] = value
