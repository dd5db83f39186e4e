"""Ordinary images: built by Podman as anybody would, on a Debian that is made here, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.testing.engine import MISSING, Engine, is_there
from casemate.testing.registry import MISSING_REGISTRY, registry_is_there
from examples.services.service import Service

__all__ = ["CACHE", "Images", "NoDebianError", "missing"]

CACHE: Final = Path(__file__).parents[2] / "build" / "examples"
BASE: Final = "debian:bookworm-slim"
_SUITE: Final = "bookworm"
_UNREAD: Final = ("doc", "man", "info", "locale", "lintian")
_OPTIONS: Final = (
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--aptopt=Dir::Cache::pkgcache \"\"",
    "--aptopt=Dir::Cache::srcpkgcache \"\"",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNREAD),
)  # fmt: skip
"""What Debian's own slim image leaves out."""
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_MINUTES: Final = 15 * 60
_UNREACHABLE: Final = (
    "Temporary failure resolving",
    "Could not connect",
    "Network is unreachable",
    "NewConnectionError",
)
"""What apt and pip say of a machine that has no way to their packages."""


class NoDebianError(Exception):
    """The Debian below the images, or what is installed into it, cannot be had here."""


def missing() -> str | None:
    """What this machine lacks."""
    if os.geteuid() != 0:
        return "needs root: rootful Podman and mmdebstrap"
    if not is_there():
        return MISSING
    if not registry_is_there():
        return MISSING_REGISTRY
    if shutil.which("mmdebstrap") is None:
        return "needs mmdebstrap: apt-get install --no-install-recommends mmdebstrap"
    return None if os.path.exists("/dev/fuse") else "there is no /dev/fuse"


@dataclass
class Images:
    """`owner` is the engine that builds; what it built is kept in `cache`, by what went into it."""

    owner: Engine
    cache: Path = CACHE

    def ordinary(self, service: Service) -> str:
        """As `casemate image protect` reads it. Errors: NoDebianError."""
        kept = self.cache / f"{service.name}-{_digest(service.source)}"
        if not kept.exists():
            self._build(service, kept)
        return f"oci:{kept}:1"

    def loaded(self, service: Service) -> str:
        """The same in the owner's engine: its number."""
        return self.owner.ask("pull", "--quiet", self.ordinary(service), seconds=_MINUTES).splitlines()[-1]

    def _build(self, service: Service, kept: Path) -> None:
        self._base()
        name = f"examples/{service.name}"
        command = ("build", "--quiet", "--network", "host", "--format", "oci", *_trusting(), "--tag", name)
        built = self.owner.podman(*command, service.source, seconds=_MINUTES)
        said = built.output + built.errors
        if built.status != 0 and any(words in said for words in _UNREACHABLE):
            raise NoDebianError(f"the packages of {service.name} cannot be had here")
        assert built.status == 0, said
        partial = kept.with_name(f"{kept.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        self.owner.ask("push", "--quiet", name, f"oci:{partial}:1", seconds=_MINUTES)
        partial.rename(kept)

    def _base(self) -> None:
        if self.owner.podman("image", "exists", BASE).status == 0:
            return
        archive = self.cache / f"{_SUITE}-{_hash(*_OPTIONS)}.tar"
        if not archive.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            partial = archive.with_suffix(".partial.tar")
            made = subprocess.run(
                ["mmdebstrap", "--quiet", "--mode=root", *_OPTIONS, _SUITE, partial],
                capture_output=True, text=True, check=False, timeout=_MINUTES,
            )  # fmt: skip
            if made.returncode != 0:
                raise NoDebianError(f"mmdebstrap cannot make a Debian here: {made.stderr.strip()[-300:]}")
            partial.rename(archive)
        self.owner.ask("import", "--quiet", archive, BASE, seconds=_MINUTES)


def _trusting() -> Sequence[str]:
    """Where Python packages come from may have a certificate that only this machine knows."""
    inside = "/run/certificates.crt"
    if not _CERTIFICATES.exists():
        return ()
    return ("--volume", f"{_CERTIFICATES}:{inside}:ro", "--build-arg", f"PIP_CERT={inside}")


def _digest(folder: Path) -> str:
    """Of names, modes and contents of all that is in it, and of what is below it."""
    parts = [*_OPTIONS]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts += [
            str(path.relative_to(folder)),
            oct(path.stat().st_mode),
            hashlib.sha256(path.read_bytes()).hexdigest(),
        ]
    return _hash(*parts)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
