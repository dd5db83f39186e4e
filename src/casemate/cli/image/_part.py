"""The part of a policy that fits a protected image: printed, or written into a policy file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from casemate.cli._files import read_bytes, read_table, replace_text
from casemate.cli.policy.seal import SEALED_REMEDY
from casemate.client import values
from casemate.errors import UsageError
from casemate.policy import edit, source
from casemate.policy.starter import starter
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire.fields import b64u_encode
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

    def settings(self) -> dict[str, Any]:
        """Of the service, by name; what a policy may have its own mind about is left out."""
        found: dict[str, Any] = {
            "workload": {"manifest": self.manifest},
            "runtime": {"measurement": self.runtime},
        }
        if self.containers:
            found["platforms"] = [_OF_CONTAINERS]
        if self.key is not None:
            found["image"] = {"key": _IMAGE_KEY}
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

    A secret that the policy has stays what it is: the custodian keeps it until it is rotated.
    Errors: UsageError, PolicyError.
    """
    text = read_bytes(file).decode("utf-8", "replace") if file.exists() else _new(part, genesis)
    document = _document(text, file, genesis)
    for path, value in _edits(part, document, genesis):
        text = edit.put(text, path, value)
    sealed = {
        name: values.seal_value(
            value, name=name, custodian=custodian, genesis=genesis.identity(), sealing_key=sealing_key
        )
        for name, value in _secrets(part).items()
        if name not in (document.get("secrets") or {})
    }
    for name, one in sealed.items():
        kind = "volume-key" if name == _IMAGE_KEY else "value"
        text = edit.put(text, ("secrets", name), {"kind": kind, "commitment": one.commitment})
    source.load(text, SCHEMAS)
    _replace(file, text)
    return _keep(file, {name: b64u_encode(one.sealed) for name, one in sealed.items()})


def _edits(part: Part, document: Mapping[str, Any], genesis: PolicyGenesis) -> list[tuple[tuple[str, ...], Any]]:
    """Paths and values. A release that the service accepts stays, whatever manifest or runtime this is."""
    settings = part.settings()
    service = (document.get("services") or {}).get(part.service) or {}
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
    new = sorted({name for name in part.volumes.values() if name not in (document.get("volumes") or {})})
    return [(("services", part.service, *path), value) for path, value in edits] + [
        (("volumes", name), _volume(genesis)) for name in new
    ]


def _is_mounted(service: Mapping[str, Any], place: str, volume: str) -> bool:
    """Then it is the policy's to say whether the service may change it: who wrote `read` means that."""
    places = service.get("volumes")
    said = places.get(place) if isinstance(places, dict) else None
    return isinstance(said, dict) and said.get("volume") == volume


def _new(part: Part, genesis: PolicyGenesis) -> str:
    return starter(genesis, service=part.service, manifest=part.manifest, measurement=part.runtime)


def _secrets(part: Part) -> dict[str, bytes]:
    found = {_secret(hole): value.encode() for hole, value in part.secrets.items()}
    return found if part.key is None else {**found, _IMAGE_KEY: part.key}


def _document(text: str, file: Path, genesis: PolicyGenesis) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file} is no YAML", remedy=f"see: casemate policy check {file}") from error
    if not isinstance(document, dict) or document.get("genesis") != genesis.identity():
        raise UsageError(
            f"{file} is not a version of {genesis.policy}", expected=genesis.identity(), remedy="name another file"
        )
    return document


def _volume(genesis: PolicyGenesis) -> dict[str, Any]:
    """A simulated custodian has no anchor but a file; any other policy should say so itself."""
    return {**_VOLUME, "accept_anchor": ["insecure_file"]} if genesis.insecure_simulation else dict(_VOLUME)


def _secret(hole: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", hole.lower()).lstrip("_0123456789")[:63] or "hole"


def _replace(file: Path, text: str) -> None:
    try:
        file.touch(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    replace_text(file, text)


def _keep(file: Path, sealed: Mapping[str, str]) -> Path | None:
    if not sealed:
        return None
    path = file.with_name(f"{file.stem}.sealed.json")
    kept = read_table(path, what="a file of sealed values", remedy=SEALED_REMEDY) if path.exists() else {}
    path.write_text(json.dumps({**kept, **sealed}, indent=1, sort_keys=True) + "\n")
    return path
