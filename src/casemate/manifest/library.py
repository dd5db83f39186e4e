"""The manifests that this machine can start, below `$CASEMATE_HOME/manifests`.

Nothing here is trusted by anybody: a manifest is what its digest says, and the digest is in the policy.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from casemate.errors import InputError, ManifestError
from casemate.manifest.build import Built
from casemate.wire.manifest import MAX_MANIFEST_BYTES, parse_manifest

__all__ = ["find", "load", "load_file", "save"]

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def save(folder: Path, built: Built) -> Path:
    """Writes manifest and sources; returns the manifest's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{built.parsed.digest.removeprefix('sha256:')}.json"
    _replace(path, built.parsed.data)
    _replace(_sources_path(path), json.dumps(built.sources, indent=1, sort_keys=True).encode())
    return path


def load(folder: Path, digest: str) -> Built:
    if not _DIGEST.fullmatch(digest):
        raise ManifestError("not a manifest's digest", expected="sha256: and 64 hex digits", got=digest[:80])
    path = folder / f"{digest.removeprefix('sha256:')}.json"
    if not path.exists():
        raise ManifestError(f"no manifest {digest} on this machine", remedy="build it with: casemate manifest build")
    return load_file(path)


def load_file(path: Path) -> Built:
    """A manifest file, with the sources beside it where there are any."""
    try:
        parsed = parse_manifest(_read(path))
        sources = _read_sources(_sources_path(path))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}", step="manifest.read") from error
    except InputError as error:
        raise ManifestError(
            f"{path} is not a launch manifest: {error.message}",
            step=error.step,
            got=error.got,
            remedy="name a file that `casemate manifest build` wrote, unchanged",
        ) from error
    return Built(parsed, sources)


def find(folder: Path, policy: str, service: str) -> Built:
    """The newest manifest built for this service."""
    candidates = sorted(folder.glob("[0-9a-f]*[0-9a-f].json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in candidates:
        if _is_for(path, policy, service):
            return load_file(path)
    raise ManifestError(
        f"no manifest for {policy}#{service} on this machine",
        remedy=f"build it with: casemate manifest build --policy {policy}#{service} -- PROGRAM …",
    )


def _is_for(path: Path, policy: str, service: str) -> bool:
    """Canonical JSON has one spelling, so that most manifests are told apart without parsing them."""
    try:
        data = _read(path)
        if f'"name":"{policy}","service":"{service}"}}'.encode() not in data:
            return False
        binding = parse_manifest(data).manifest.policy
    except (OSError, InputError):
        return False
    return binding is not None and (binding.name, binding.service) == (policy, service)


def _read(path: Path) -> bytes:
    """One byte over the limit is enough for the parser to refuse."""
    with path.open("rb") as file:
        return file.read(MAX_MANIFEST_BYTES + 1)


def _sources_path(path: Path) -> Path:
    return path.with_suffix(".sources")


def _read_sources(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
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
