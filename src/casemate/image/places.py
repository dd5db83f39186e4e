"""Names of places where images are, spelled as skopeo spells them (containers-transports(5))."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import UsageError

__all__ = ["Archive", "Folder", "Place", "Reference", "Storage", "parse"]

_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_NAME: Final = rf"{_PART}(?:/{_PART})*"
_HOST: Final = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
_LAYOUT: Final = re.compile(rf"(?P<path>[^:]+)(?::(?P<tag>{_TAG}))?")
_FILE: Final = re.compile(rf"(?P<path>[^:]+)(?::(?P<name>(?:(?:{_HOST}/)?{_NAME}:)?{_TAG}))?")
_REGISTRY: Final = re.compile(
    rf"//(?P<host>{_HOST})/(?P<name>{_NAME})(?::(?P<tag>{_TAG})|@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)
_STORAGE: Final = re.compile(rf"(?:{_HOST}/)?{_NAME}(?::{_TAG}|@sha256:[0-9a-f]{{64}})?")
_MAX_NAME: Final = 255
"""Of a repository's name, its host included: what registries take."""
_FORMS: Final = "oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], docker://HOST[:PORT]/NAME[:TAG], containers-storage:NAME[:TAG]"  # fmt: skip # noqa: E501


@dataclass(frozen=True)
class Folder:
    """An image layout."""

    path: Path
    tag: str | None


@dataclass(frozen=True)
class Archive:
    """A file with a layout, or with what `docker save` writes."""

    path: Path
    tag: str | None
    of_docker: bool


@dataclass(frozen=True)
class Reference:
    """An image of a registry; `wanted` is a tag or a digest."""

    host: str
    name: str
    wanted: str

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine, where nobody listens on the way."""
        bare = self.host[1:].partition("]")[0] if self.host.startswith("[") else self.host.partition(":")[0]
        try:
            return ipaddress.ip_address(bare).is_loopback
        except ValueError:
            return bare == "localhost"

    def __str__(self) -> str:
        return f"docker://{self.host}/{self.name}{'@' if ':' in self.wanted else ':'}{self.wanted}"


@dataclass(frozen=True)
class Storage:
    """What container engines of this user have."""

    name: str


Place = Folder | Archive | Reference | Storage


def parse(text: str) -> Place:
    """Errors: UsageError, with the forms that there are."""
    transport, colon, rest = text.partition(":")
    place = _PARSERS[transport](rest) if colon and transport in _PARSERS and "\0" not in rest else None
    if place is None:
        raise UsageError("not a place of an image", expected=_FORMS, got=text[:300])
    return place


def _folder(rest: str) -> Place | None:
    match = _LAYOUT.fullmatch(rest)
    return None if match is None else Folder(Path(match["path"]).absolute(), match["tag"])


def _archive(rest: str) -> Place | None:
    match = _LAYOUT.fullmatch(rest)
    return None if match is None else Archive(Path(match["path"]).absolute(), match["tag"], of_docker=False)


def _of_docker(rest: str) -> Place | None:
    match = _FILE.fullmatch(rest)
    return None if match is None else Archive(Path(match["path"]).absolute(), match["name"], of_docker=True)


def _registry(rest: str) -> Place | None:
    match = _REGISTRY.fullmatch(rest)
    if match is None or len(match["name"]) + len(match["host"]) >= _MAX_NAME:
        return None
    # A first word without a dot, a port or "localhost" is part of a name elsewhere: who is meant must be said.
    if not (re.search(r"[.:\[]", match["host"]) or match["host"] == "localhost"):
        return None
    return Reference(match["host"], match["name"], match["tag"] or match["digest"] or "latest")


def _storage(rest: str) -> Place | None:
    return Storage(rest) if _STORAGE.fullmatch(rest) else None


_PARSERS: Final = {
    "oci": _folder,
    "oci-archive": _archive,
    "docker-archive": _of_docker,
    "docker": _registry,
    "containers-storage": _storage,
}
