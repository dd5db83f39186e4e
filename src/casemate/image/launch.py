"""From how an image is started to the launch manifest of its protected one (spec/manifest.md, "Images")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import ValidationError

from casemate.errors import ImageRefusedError, ManifestError
from casemate.image.settings import DEFAULT_PATH, Settings
from casemate.image.suspects import suspects
from casemate.image.tool import Found
from casemate.image.users import resolve
from casemate.wire.manifest import CAPABILITIES, Hole, Manifest, ParsedManifest, PolicyBinding, RaTlsPlace
from casemate.wire.release import User

__all__ = ["Launch", "Protection", "Wanted", "make", "questions"]

Protection = Literal["encrypted", "authenticated"]

_ACCOUNTS: Final = ("/etc/passwd", "/etc/group")
_FILE: Final = 0o100000
_FOLDER: Final = 0o040000
_KIND: Final = 0o170000
_EXECUTABLE: Final = 0o111
_DEFAULT_MODE: Final = 0o755


@dataclass(frozen=True)
class Wanted:
    """What the author of the protected image says."""

    policy: PolicyBinding
    custodian: str
    protection: Protection = "encrypted"
    writable: int | None = None
    """Bytes of the root that may be written, in memory; None: it is read-only."""
    room: int = 1 << 30
    """Bytes of each of the image's own volumes, in memory."""
    volumes: Sequence[str] = ()
    holes: Mapping[str, Hole] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    keep: Sequence[str] = ()
    """Variables that stay, whatever they look like."""
    hide: bool = False
    """Whether values that look like secrets go to the policy; else they are refused."""
    files: Sequence[str] = ()
    ra_tls: RaTlsPlace | None = None
    capabilities: Sequence[str] | None = None
    """None: all that a root of the domain may keep, for images that start as root."""
    user: User | None = None
    arguments: Sequence[str] | None = None


@dataclass(frozen=True)
class Launch:
    """The manifest, and what was taken out of it."""

    parsed: ParsedManifest
    secrets: Mapping[str, str] = field(repr=False)
    """Hole → the value that the image had, for the policy."""
    hidden: Sequence[str]
    """Folders of the image that a folder in memory hides, though something is in them."""
    unchecked: str | None = None
    """The program of the image's health check, where the image does not have it: the check is left out."""


def questions(settings: Settings) -> list[str]:
    """Paths of the image that `make` wants looked at, in its order."""
    return [*_ACCOUNTS, *settings.volumes, *settings.candidates(), *settings.check_candidates()]


def make(settings: Settings, wanted: Wanted, layers: Sequence[str], found: Sequence[Found | None]) -> Launch:
    """`found` is what is at the paths of `questions`, `layers` are roots from the bottom up.

    Errors: ImageRefusedError, ManifestError.
    """
    passwd, group, *rest = found
    volumes, rest = rest[: len(settings.volumes)], rest[len(settings.volumes) :]
    programs, checks = rest[: len(settings.candidates())], rest[len(settings.candidates()) :]
    health = _health(settings, checks)
    account = resolve(settings.user, passwd=_text(passwd), group=_text(group))
    user = wanted.user or User(uid=account.uid, gid=account.gid)
    environment = {"PATH": DEFAULT_PATH, "HOME": account.home, **settings.environment, **wanted.environment}
    environment, secrets = _without_secrets(environment, wanted)
    own = [*wanted.volumes, *([wanted.ra_tls.path] if wanted.ra_tls is not None else [])]
    places = [
        (path, there)
        for path, there in zip(settings.volumes, volumes, strict=True)
        if not any(_overlap(path, other) for other in own)
    ]
    manifest = _valid(
        {
            "casemate_manifest": 1,
            "role": "workload",
            "custodian": wanted.custodian,
            "policy": wanted.policy,
            "root": [],
            "image": _image(wanted, layers),
            "capabilities": _capabilities(wanted, user),
            "writable": [_writable(path, there, wanted) for path, there in places],
            "mounts": [],
            "volumes": [{"path": path} for path in sorted(wanted.volumes)] or None,
            "files": sorted(wanted.files),
            "ra_tls": wanted.ra_tls,
            "health": health,
            "entrypoint": [_program(settings, programs), *settings.entrypoint[1:]],
            "arguments": list(settings.arguments if wanted.arguments is None else wanted.arguments),
            "environment": environment,
            "holes": {**wanted.holes, **{name: Hole.model_validate(_ANY) for name in secrets}},
            "user": user,
            "working_directory": settings.working_directory,
        }
    )
    hidden = [path for path, there in places if there is not None and there.entries]
    lost = settings.health.command[0] if settings.health is not None and health is None else None
    return Launch(ParsedManifest.build(manifest), secrets, hidden, lost)


_ANY: Final = {"pattern": "(?:.|\\n)*", "from": "policy"}
"""The manifest is for everybody to read: a pattern says nothing of a secret."""


def _without_secrets(environment: Mapping[str, str], wanted: Wanted) -> tuple[dict[str, str], dict[str, str]]:
    """The environment with holes, and the values that the policy gets instead. Never is a suspect left silently."""
    holed = {name for name in wanted.holes if name in environment or not _is_used(name, environment, wanted)}
    open_ = {**environment, **{name: _reference(name) for name in holed}}
    suspected = {name: why for name, why in suspects(open_).items() if name not in wanted.keep and name not in holed}
    if suspected and not wanted.hide:
        raise ImageRefusedError(
            "values of the image's environment look like secrets: "
            + ", ".join(f"{name} ({why})" for name, why in suspected.items()),
            step="image.secrets",
            remedy="give them to the policy with --policy-out FILE, or keep what is none with --keep-env NAME: "
            "everybody who has the image could read it",
        )
    secrets = {name: open_[name] for name in suspected}
    return {**open_, **{name: _reference(name) for name in secrets}}, secrets


def _is_used(hole: str, environment: Mapping[str, str], wanted: Wanted) -> bool:
    """Whether a text that the author wrote has it; else it is the variable of its name."""
    reference = _reference(hole)
    return any(reference in text for text in [*environment.values(), *(wanted.arguments or ())])


def _reference(hole: str) -> str:
    return f"{{{{ hole.{hole} }}}}"


def _image(wanted: Wanted, layers: Sequence[str]) -> dict[str, object]:
    image: dict[str, object] = {"layers": list(layers), "protection": wanted.protection}
    return image if wanted.writable is None else {**image, "writable": wanted.writable}


def _capabilities(wanted: Wanted, user: User) -> list[str] | None:
    if wanted.capabilities is not None:
        return sorted(set(wanted.capabilities)) or None
    return list(CAPABILITIES) if user.uid == 0 else None


def _writable(path: str, there: Found | None, wanted: Wanted) -> dict[str, object]:
    mode = there.mode & 0o1777 if there is not None and there.mode & _KIND == _FOLDER else _DEFAULT_MODE
    return {"path": path, "mode": f"{mode:04o}", "size": wanted.room}


def _program(settings: Settings, found: Sequence[Found | None]) -> str:
    path = _first_program(settings.candidates(), found)
    if path is not None:
        return path
    raise ImageRefusedError(
        f"the image has no program {settings.entrypoint[0][:200]}",
        step="image.command",
        expected=", ".join(settings.candidates())[:500],
        remedy="correct the image's entry point, or its PATH",
    )


def _health(settings: Settings, found: Sequence[Found | None]) -> dict[str, object] | None:
    path = _first_program(settings.check_candidates(), found)
    if settings.health is None or path is None:
        return None
    return {"command": [path, *settings.health.command[1:]], "timeout": settings.health.milliseconds}


def _first_program(candidates: Sequence[str], found: Sequence[Found | None]) -> str | None:
    for path, there in zip(candidates, found, strict=True):
        if there is not None and there.mode & _KIND == _FILE and there.mode & _EXECUTABLE:
            return path
    return None


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def _text(found: Found | None) -> bytes:
    return (found.content if found is not None else None) or b""


def _valid(value: dict[str, object]) -> Manifest:
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ManifestError(
            f"the image cannot be started by a launch manifest: {place + ': ' if place else ''}{said}",
            step="manifest.schema",
        ) from error
