"""What `manifest build` takes, read into models."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from pydantic import ValidationError

from casemate.errors import MalformedError, UsageError
from casemate.wire.durations import parse_duration
from casemate.wire.fields import Model
from casemate.wire.manifest import (
    MAX_CERTIFICATE_SECONDS,
    MIN_CERTIFICATE_SECONDS,
    Hole,
    Mount,
    RaTlsPlace,
    VolumePlace,
    Writable,
)
from casemate.wire.release import User

__all__ = [
    "RaTls",
    "environment",
    "folders",
    "holes",
    "mounts",
    "new_folders",
    "ra_tls",
    "reference",
    "user",
    "values",
    "volumes",
    "writables",
]

_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_DEFAULT_TMPFS: Final = "64M"
_REFERENCE: Final = re.compile(
    r"(?P<policy>[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62})#(?P<service>[a-z0-9][a-z0-9_-]{0,62})"
)
M = TypeVar("M", bound=Model)

RaTls = Annotated[
    str | None,
    typer.Option(
        help="PATH[:LIFETIME[:SIGNAL]], a folder for a TLS certificate over evidence and its key, as /run/tls:6h:hup."
    ),
]


def reference(text: str) -> tuple[str, str]:
    """`acme/records#api` → name, service."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError("not a policy and a service", expected="acme/records#api", got=text[:200])
    return match["policy"], match["service"]


def holes(texts: list[str]) -> dict[str, Hole]:
    """`NAME=PATTERN` for holes that the policy fills, `host:NAME=PATTERN` for those that the host fills."""
    found: dict[str, Hole] = {}
    for left, pattern in _pairs(texts, "a hole", "NAME=PATTERN or host:NAME=PATTERN").items():
        origin, _, name = left.rpartition(":")
        if origin not in {"", "policy", "host"} or name in found:
            raise UsageError("not a hole of its own", expected="NAME=PATTERN or host:NAME=PATTERN", got=left)
        found[name] = _made(Hole, {"pattern": pattern, "from": origin or "policy"}, "a hole", f"{left}={pattern}")
    return found


def environment(texts: list[str]) -> dict[str, str]:
    return _pairs(texts, "a variable", "NAME=VALUE")


def values(texts: list[str]) -> dict[str, str]:
    """Of holes that the host fills."""
    return _pairs(texts, "a hole's value", "NAME=VALUE")


def folders(texts: list[str]) -> dict[str, str]:
    """Path inside → folder of this host, absolute."""
    expected = "/path/inside=/folder/of/this/host"
    found = {inside: str(Path(folder).absolute()) for inside, folder in _pairs(texts, "a mount", expected).items()}
    for folder in found.values():
        if not Path(folder).is_dir():
            raise UsageError(f"{folder} is not a folder", expected=expected)
    return found


def new_folders(texts: list[str]) -> dict[str, str]:
    """As `folders`; those that are not there are made, for their owner alone."""
    found = _pairs(texts, "a volume", "/path/inside=/folder/of/this/host")
    for folder in found.values():
        try:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the volume's folder {folder}: {error.strerror}") from error
    return {inside: str(Path(folder).absolute()) for inside, folder in found.items()}


def writables(texts: list[str]) -> list[Writable]:
    """`PATH[:MODE[:SIZE]]`, for instance `/tmp:1777:64M`."""
    found = []
    for text in texts:
        path, mode, size, *more = (*text.split(":"), "", "")
        match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", size or _DEFAULT_TMPFS)
        if match is None or not re.fullmatch(r"[01]?[0-7]{3}", mode or "0700") or any(more):
            raise UsageError("not a writable folder", expected="PATH[:MODE[:SIZE]], e.g. /tmp:1777:64M", got=text)
        entry = {"path": path, "mode": (mode or "0700").zfill(4), "size": int(match[1]) * _UNITS[match[2]]}
        found.append(_made(Writable, entry, "a writable folder", text))
    return found


def mounts(texts: list[str]) -> list[Mount]:
    """`PATH[:read|write]`."""
    found = []
    for text in texts:
        path, _, access = text.partition(":")
        found.append(_made(Mount, {"path": path, "access": access or "read"}, "a mount", text))
    return found


def volumes(texts: list[str]) -> list[VolumePlace]:
    """Paths inside."""
    return [_made(VolumePlace, {"path": text}, "a place for a volume", text) for text in texts]


def ra_tls(text: str | None) -> RaTlsPlace | None:
    """`PATH[:LIFETIME[:SIGNAL]]`; a certificate lives a day if nothing else is said, and nothing is signalled."""
    if text is None:
        return None
    path, lifetime, reload, *more = (*text.split(":"), "", "")
    if any(more):
        raise UsageError("not a place for a certificate", expected="PATH[:LIFETIME[:SIGNAL]]", got=text)
    entry = {
        "path": path,
        "lifetime": _certificate_seconds(lifetime) if lifetime else MAX_CERTIFICATE_SECONDS,
        "reload": reload.lower().removeprefix("sig") or None,
    }
    return _made(RaTlsPlace, entry, "a place for a certificate", text)


def _certificate_seconds(text: str) -> int:
    least, most = timedelta(seconds=MIN_CERTIFICATE_SECONDS), timedelta(seconds=MAX_CERTIFICATE_SECONDS)
    try:
        return int(parse_duration(text, least=least, most=most).total_seconds())
    except MalformedError as error:
        raise UsageError(
            "not how long a certificate can live", expected="60s to 24h, as 6h or 90m", got=text[:80]
        ) from error


def user(text: str | None) -> User | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", text)
    if match is None:
        raise UsageError("not a user", expected="UID:GID, both numbers", got=text)
    return _made(User, {"uid": int(match[1]), "gid": int(match[2])}, "a user", text)


def _pairs(texts: list[str], what: str, expected: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise UsageError(f"not {what}", expected=expected, got=text)
        if name in found:
            raise UsageError(f"{name} is given twice", remedy="give it once")
        found[name] = value
    return found


def _made(form: type[M], value: dict[str, object], what: str, text: str) -> M:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"not {what}: {place}: {first['msg'].removeprefix('Value error, ')}", got=text) from error
