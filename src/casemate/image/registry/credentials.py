"""Who somebody is to a registry: what `podman login`, `skopeo login` and `docker login` keep.

First file that names the registry (containers-auth.json(5)): $REGISTRY_AUTH_FILE,
$XDG_RUNTIME_DIR/containers/auth.json,
~/.config/containers/auth.json, ~/.docker/config.json. Programs that keep credentials elsewhere are not started.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from casemate.errors import UsageError
from casemate.image.oci import decode
from casemate.image.places import Reference

__all__ = ["Credentials", "find"]

_MAX_FILE: Final = 1 << 20


@dataclass(frozen=True)
class Credentials:
    user: str
    password: str = field(repr=False)


def find(reference: Reference, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """For the repository, or its registry. Errors: UsageError for a file that is none."""
    for path in _files(environment):
        entries = _entries(path)
        for key in _keys(reference):
            if (found := _credentials(entries.get(key), path)) is not None:
                return found
    return None


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    if said := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(said)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    home = Path(environment.get("HOME") or "/")
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _keys(reference: Reference) -> Iterator[str]:
    """From the most particular on."""
    parts = reference.name.split("/")
    for count in range(len(parts), -1, -1):
        yield "/".join([reference.host, *parts[:count]])
    yield f"https://{reference.host}"


def _entries(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            said = decode(file.read(_MAX_FILE))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as credentials of registries", remedy="log in again") from error
    entries = said.get("auths") if isinstance(said, dict) else None
    return entries if isinstance(entries, dict) else {}


def _credentials(entry: object, path: Path) -> Credentials | None:
    text = entry.get("auth") if isinstance(entry, dict) else None
    if not isinstance(text, str) or not text:
        return None
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise UsageError(f"{path} has credentials that are none", remedy="log in again")
    return Credentials(user, password.rstrip("\0"))
