"""The manifests that this machine can start, below `$CASEMATE_HOME/manifests`.

Nothing here is trusted by anybody: a manifest is what its digest says, and the digest is in the policy.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from casemate.errors import InputError, ManifestError
from casemate.manifest.build import Built
from casemate.wire.manifest import ParsedManifest, parse_manifest

__all__ = ["find", "load", "load_file", "save"]


def save(folder: Path, built: Built) -> Path:
    """Writes manifest and sources; returns the manifest's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{built.parsed.digest.removeprefix('sha256:')}.json"
    _replace(path, built.parsed.data)
    _replace(_sources_path(path), json.dumps(built.sources, indent=1, sort_keys=True).encode())
    return path


def load(folder: Path, digest: str) -> Built:
    path = folder / f"{digest.removeprefix('sha256:')}.json"
    if not path.exists():
        raise ManifestError(f"no manifest {digest} on this machine", remedy="build it with: casemate manifest build")
    return load_file(path)


def load_file(path: Path) -> Built:
    """A manifest file, with the sources beside it where there are any."""
    try:
        parsed = parse_manifest(path.read_bytes())
        sources = _read_sources(_sources_path(path))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}", step="manifest.read") from error
    return Built(parsed, sources)


def find(folder: Path, policy: str, service: str) -> Built:
    """The newest manifest built for this service."""
    candidates = sorted(folder.glob("[0-9a-f]*[0-9a-f].json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in candidates:
        parsed = _readable(path)
        binding = parsed.manifest.policy if parsed else None
        if binding and (binding.name, binding.service) == (policy, service):
            return load_file(path)
    raise ManifestError(
        f"no manifest for {policy}#{service} on this machine",
        remedy=f"build it with: casemate manifest build --policy {policy}#{service} -- PROGRAM …",
    )


def _readable(path: Path) -> ParsedManifest | None:
    try:
        return parse_manifest(path.read_bytes())
    except (OSError, InputError):
        return None


def _sources_path(path: Path) -> Path:
    return path.with_suffix(".sources")


def _read_sources(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise ManifestError(
            f"{path} is not JSON", step="manifest.sources", remedy="build the manifest again"
        ) from error
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ManifestError(f"{path} is not a table of paths", step="manifest.sources")
    return value


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
