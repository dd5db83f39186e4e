"""Debian's docker-registry, for as long as a block lasts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from casemate.testing.stage import free_port, listens, wait_for

__all__ = ["MISSING_REGISTRY", "Registry", "registry", "registry_is_there"]

MISSING_REGISTRY = "needs docker-registry: apt-get install --no-install-recommends docker-registry"
_PROGRAM = "docker-registry"


@dataclass(frozen=True)
class Registry:
    """`address` is HOST:PORT, `folder` has all that it keeps."""

    address: str
    folder: Path


def registry_is_there() -> bool:
    return shutil.which(_PROGRAM) is not None


@contextmanager
def registry(folder: Path, *, passwords: str | None = None) -> Iterator[Registry]:
    """In `folder`, which is made. `passwords`: lines as htpasswd writes them, of those who may use it."""
    port = free_port()
    kept = folder / "kept"
    kept.mkdir(parents=True)
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(kept)}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if passwords is not None:
        (folder / "passwords").write_text(passwords)
        settings["auth"] = {"htpasswd": {"realm": "r", "path": str(folder / "passwords")}}
    (folder / "registry.json").write_text(json.dumps(settings))
    with subprocess.Popen(
        [_PROGRAM, "serve", folder / "registry.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for("the registry", lambda: listens(port))
            yield Registry(f"localhost:{port}", kept)
        finally:
            server.kill()
