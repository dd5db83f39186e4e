"""Whether what a service fills in fits a launch manifest: the last step of a decision, and what rendering relies on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casemate.policy.model import Service
from casemate.wire.manifest import Manifest, holes_in

__all__ = ["Misfit", "misfit"]


@dataclass(frozen=True, slots=True)
class Misfit:
    expected: str
    got: str
    remedy: str


def misfit(service: Service, manifest: Manifest) -> Misfit | None:
    """The first thing that does not fit, or nothing."""
    return (
        _holes(service, manifest)
        or _variables(service, manifest)
        or _arguments(service, manifest)
        or _files(service, manifest)
        or _volumes(service, manifest)
        or _user(service, manifest)
    )


def _holes(service: Service, manifest: Manifest) -> Misfit | None:
    """Exactly the holes that the manifest leaves to the policy: not one more, not one less."""
    open_holes = {name for name, hole in manifest.holes.items() if hole.from_ == "policy"}
    if open_holes == set(service.holes):
        return None
    where = f"services.{service.name}"
    return Misfit(
        f"values for the holes {_listed(open_holes)}",
        f"values for {_listed(service.holes)}",
        f"fill exactly the manifest's `from: policy` holes in {where}.holes or {where}.environment",
    )


def _variables(service: Service, manifest: Manifest) -> Misfit | None:
    for name in sorted(service.variables):
        wanted = f"{{{{ hole.{name} }}}}"
        if manifest.environment.get(name) != wanted:
            return Misfit(
                f"a variable {name} whose value in the manifest is exactly {wanted}",
                "it is not" if name in manifest.environment else "there is no such variable",
                f"fill the hole by its name under services.{service.name}.holes",
            )
    return None


def _arguments(service: Service, manifest: Manifest) -> Misfit | None:
    """Arguments are seen by every process of the system, and end up in logs."""
    seen = {name for argument in manifest.arguments for name in holes_in(argument)}
    secret = {name for name, filling in service.holes.items() if filling.confidential}
    if not (both := seen & secret):
        return None
    return Misfit(
        "no secret in an argument",
        f"a secret for {_listed(both)}, which the manifest uses in its arguments",
        "pass it by a file or by an environment variable",
    )


def _files(service: Service, manifest: Manifest) -> Misfit | None:
    if not (strange := set(service.files) - set(manifest.files)):
        return None
    return Misfit(
        f"files at {_listed(manifest.files)}",
        f"files at {_listed(strange)}",
        "name these paths in the manifest's `files`, or place nothing there",
    )


def _volumes(service: Service, manifest: Manifest) -> Misfit | None:
    """Exactly the manifest's places: what is not mounted would be an empty folder that protects nothing."""
    if set(service.volumes) == set(manifest.volume_paths):
        return None
    return Misfit(
        f"volumes at {_listed(manifest.volume_paths)}",
        f"volumes at {_listed(service.volumes)}",
        f"mount one at exactly these paths in services.{service.name}.volumes, or build the manifest anew",
    )


def _user(service: Service, manifest: Manifest) -> Misfit | None:
    if (manifest.user is None) != (service.user is None):
        return None
    if manifest.user is None:
        return Misfit("a user", "none", f"write services.{service.name}.user: {{uid: …, gid: …}}")
    return Misfit("no user: the manifest says it", "a user", f"leave services.{service.name}.user out")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"
