"""The part of a policy that fits a protected image: printed, or written into a policy file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from casemate.cli._policy_file import Brought, PolicyFile
from casemate.policy.starter import starter
from casemate.wire.policies import PolicyGenesis

__all__ = ["Part", "write"]

_IMAGE_KEY: Final = "image_key"
_OF_CONTAINERS: Final = "simulated-container"
_VOLUME: Final = {"freshness": "strict", "root": "hash"}


@dataclass(frozen=True)
class Part:
    """What the policy's service has to say. `volumes`: place → volume; `secrets`: hole → its value. `containers`: a
    container engine starts it on the simulated platform, which is the weaker one of the two."""

    service: str
    manifest: str
    runtime: str
    volumes: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    key: bytes | None = field(repr=False)
    containers: bool = False

    def settings(self, image_key: str = _IMAGE_KEY) -> dict[str, Any]:
        """Of the service, by name; what a policy may have its own mind about is left out. `image_key` is a secret."""
        found: dict[str, Any] = {
            "workload": {"manifest": self.manifest},
            "runtime": {"measurement": self.runtime},
        }
        if self.containers:
            found["platforms"] = [_OF_CONTAINERS]
        if self.key is not None:
            found["image"] = {"key": image_key}
        if self.secrets:
            found["holes"] = {hole: f"{{{{ secret.{_secret(hole)} }}}}" for hole in self.secrets}
        if self.volumes:
            found["volumes"] = {place: {"volume": name, "mode": "write"} for place, name in self.volumes.items()}
        return found

    def text(self) -> str:
        """For a person to copy."""
        document: dict[str, Any] = {"services": {self.service: self.settings()}}
        if self.volumes:
            document["volumes"] = {name: dict(_VOLUME) for name in self.volumes.values()}
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip("\n")


def write(part: Part, file: Path, genesis: PolicyGenesis, *, custodian: str, sealing_key: str) -> Path | None:
    """Makes the file, or changes what of it concerns the image; the file of newly sealed secrets, where there are some.

    Errors: UsageError, PolicyError.
    """
    new = starter(genesis, service=part.service, manifest=part.manifest, measurement=part.runtime)
    policy = PolicyFile.opened(file, genesis, otherwise=new)
    image_key = policy.secret_for(part.service, "image", "key", _IMAGE_KEY)
    edits = _edits(part, policy, image_key)
    return policy.save(edits, _secrets(part, image_key), custodian=custodian, sealing_key=sealing_key)


def _edits(part: Part, policy: PolicyFile, image_key: str) -> list[tuple[tuple[str, ...], Any]]:
    """Paths and values. A release that the service accepts stays, whatever manifest or runtime this is."""
    settings, service, genesis = part.settings(image_key), policy.service(part.service), policy.genesis
    edits: list[tuple[tuple[str, ...], Any]] = []
    for name, key in (("workload", "manifest"), ("runtime", "measurement")):
        said = service.get(name) or {}
        if not said or key in said:
            edits.append(((name, key), settings[name][key]))
    if part.containers:
        edits.append((("platforms",), settings["platforms"]))
    elif "platforms" not in service:
        edits.append((("platforms",), ["simulated" if genesis.insecure_simulation else "sev-snp"]))
    if "image" in settings:
        edits.append((("image",), settings["image"]))
    edits += [(("holes", hole), value) for hole, value in settings.get("holes", {}).items()]
    edits += [
        (("volumes", place), value)
        for place, value in settings.get("volumes", {}).items()
        if not _is_mounted(service, place, value["volume"])
    ]
    new = sorted({name for name in part.volumes.values() if name not in (policy.document.get("volumes") or {})})
    return [(("services", part.service, *path), value) for path, value in edits] + [
        (("volumes", name), _volume(genesis)) for name in new
    ]


def _is_mounted(service: Mapping[str, Any], place: str, volume: str) -> bool:
    """Then it is the policy's to say whether the service may change it: who wrote `read` means that."""
    places = service.get("volumes")
    said = places.get(place) if isinstance(places, dict) else None
    return isinstance(said, dict) and said.get("volume") == volume


def _secrets(part: Part, image_key: str) -> dict[str, Brought]:
    found = {_secret(hole): Brought("value", value.encode()) for hole, value in part.secrets.items()}
    return found if part.key is None else {**found, image_key: Brought("volume-key", part.key)}


def _volume(genesis: PolicyGenesis) -> dict[str, Any]:
    """A simulated custodian has no anchor but a file; any other policy should say so itself."""
    return {**_VOLUME, "accept_anchor": ["insecure_file"]} if genesis.insecure_simulation else dict(_VOLUME)


def _secret(hole: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", hole.lower()).lstrip("_0123456789")[:63] or "hole"
