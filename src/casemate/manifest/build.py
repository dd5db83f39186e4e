"""A manifest from what a person asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from casemate.errors import ManifestError
from casemate.manifest.root import Root
from casemate.wire.manifest import (
    Hole,
    Manifest,
    Mount,
    ParsedManifest,
    PolicyBinding,
    RaTlsPlace,
    VolumePlace,
    Writable,
)
from casemate.wire.release import User

__all__ = ["Built", "Plan", "build"]


@dataclass(frozen=True)
class Plan:
    """Everything of a manifest but its root."""

    entrypoint: list[str]
    arguments: list[str] = field(default_factory=list)
    role: str = "workload"
    custodian: str | None = None
    policy: PolicyBinding | None = None
    environment: dict[str, str] = field(default_factory=dict)
    holes: dict[str, Hole] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    writable: list[Writable] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    volumes: list[VolumePlace] = field(default_factory=list)
    ra_tls: RaTlsPlace | None = None
    user: User | None = None
    working_directory: str = "/"


@dataclass(frozen=True)
class Built:
    """A manifest and where its files were found on this machine."""

    parsed: ParsedManifest
    sources: dict[str, str]


def build(plan: Plan, root: Root) -> Built:
    """`ManifestError` names what does not fit together."""
    try:
        manifest = Manifest.model_validate(
            {
                "casemate_manifest": 1,
                "role": plan.role,
                "custodian": plan.custodian,
                "policy": plan.policy,
                "root": root.sorted_entries(),
                "writable": sorted(plan.writable, key=lambda entry: entry.path),
                "mounts": sorted(plan.mounts, key=lambda entry: entry.path),
                "volumes": sorted(plan.volumes, key=lambda entry: entry.path) or None,
                "files": sorted(plan.files),
                "ra_tls": plan.ra_tls,
                "entrypoint": plan.entrypoint,
                "arguments": plan.arguments,
                "environment": plan.environment,
                "holes": plan.holes,
                "user": plan.user,
                "working_directory": plan.working_directory,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ManifestError(f"{place + ': ' if place else ''}{said}", step="manifest.schema") from error
    return Built(ParsedManifest.build(manifest), dict(sorted(root.sources.items())))
