"""What `manifest build` takes, read into models."""

from __future__ import annotations

import re
from typing import Final

from casemate.errors import UsageError
from casemate.wire.manifest import Hole, Mount, Writable
from casemate.wire.release import User

__all__ = ["environment", "holes", "mounts", "reference", "user", "writables"]

_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_DEFAULT_TMPFS: Final = "64M"


def reference(text: str) -> tuple[str, str]:
    """`acme/records#api` → name, service."""
    name, mark, service = text.partition("#")
    if not mark or not name or not service:
        raise UsageError("not a policy and a service", expected="acme/records#api", got=text)
    return name, service


def holes(texts: list[str]) -> dict[str, Hole]:
    """`NAME=PATTERN` for holes that the policy fills, `host:NAME=PATTERN` for those that the host fills."""
    found = {}
    for text in texts:
        left, mark, pattern = text.partition("=")
        origin, _, name = left.rpartition(":")
        if not mark or origin not in {"", "policy", "host"}:
            raise UsageError("not a hole", expected="NAME=PATTERN or host:NAME=PATTERN", got=text)
        found[name] = Hole.model_validate({"pattern": pattern, "from": origin or "policy"})
    return found


def environment(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark:
            raise UsageError("not a variable", expected="NAME=VALUE", got=text)
        found[name] = value
    return found


def writables(texts: list[str]) -> list[Writable]:
    """`PATH[:MODE[:SIZE]]`, for instance `/tmp:1777:64M`."""
    found = []
    for text in texts:
        path, mode, size = (*text.split(":"), "", "")[:3]
        match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", size or _DEFAULT_TMPFS)
        if match is None or not re.fullmatch(r"[01]?[0-7]{3}", mode or "0700"):
            raise UsageError("not a writable folder", expected="PATH[:MODE[:SIZE]], e.g. /tmp:1777:64M", got=text)
        found.append(Writable(path=path, mode=(mode or "0700").zfill(4), size=int(match[1]) * _UNITS[match[2]]))
    return found


def mounts(texts: list[str]) -> list[Mount]:
    """`PATH[:read|write]`."""
    found = []
    for text in texts:
        path, _, access = text.partition(":")
        found.append(Mount.model_validate({"path": path, "access": access or "read"}))
    return found


def user(text: str | None) -> User | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if match is None:
        raise UsageError("not a user", expected="UID:GID, both numbers", got=text)
    return User(uid=int(match[1]), gid=int(match[2]))
