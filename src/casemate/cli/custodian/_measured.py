"""The custodian's own launch manifest: interpreter, packages, configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import casemate
from casemate.manifest import python
from casemate.manifest.build import Built, Plan, build
from casemate.manifest.root import Root
from casemate.wire.manifest import Hole, Mount, Writable
from casemate.wire.release import User

__all__ = ["custodian_manifest"]

_PACKAGES: Final = (
    "cryptography",
    "dcap-qvl",
    "fastapi",
    "httptools",
    "prometheus-client",
    "pydantic",
    "pyyaml",
    "rfc8785",
    "structlog",
    "uvicorn",
    "uvloop",
)
_ROOMS: Final = (
    "__init__.py",
    "errors.py",
    "claims.py",
    "platforms.py",
    "wire",
    "attestation",
    "endorsements",
    "policy",
    "secrets",
    "custodian",
)


def custodian_manifest(cache: Path) -> Built:
    """Measures the custodian as it is installed here; `cache` keeps compiled modules."""
    root = Root()
    python.add_python(root, packages=_PACKAGES, cache=cache)
    package = Path(casemate.__file__).parent
    for room in _ROOMS:
        python.add_package_folder(root, package / room, base=package.parent, cache=cache)
    return build(
        Plan(
            role="custodian",
            entrypoint=[python.program(), "-s", "-S", "-P", "-m", "casemate.custodian"],
            arguments=[
                "{{ hole.command }}",
                "--data=/data",
                "--anchor=/anchor/anchor",
                "--address={{ hole.address }}",
                "--port={{ hole.port }}",
                "--tls-port={{ hole.tls_port }}",
                "--workers={{ hole.workers }}",
            ],
            environment={
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHOME": python.PREFIX,
                "PYTHONPATH": f"{python.PREFIX}/packages",
                "PYTHONUNBUFFERED": "1",
            },
            holes={
                "command": _host_hole("init|serve|restore"),
                "address": _host_hole("[0-9a-fA-F.:]{2,39}"),
                "port": _host_hole("[0-9]{1,5}"),
                "tls_port": _host_hole("[0-9]{1,5}"),
                "workers": _host_hole("[1-9][0-9]?"),
            },
            writable=[Writable(path="/tmp", mode="1777", size=64 * 1024 * 1024)],  # noqa: S108 - inside the root
            mounts=[Mount(path="/anchor", access="write"), Mount(path="/data", access="write")],
            user=User(uid=0, gid=0),
        ),
        root,
    )


def _host_hole(pattern: str) -> Hole:
    return Hole.model_validate({"pattern": pattern, "from": "host"})
