"""The software bill of materials of a program: what cargo builds into it, as CycloneDX 1.6 (ECMA-424).

The same tree gives the same bytes: the serial number follows from the commit, the time is the commit's.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

__all__ = ["bill_of_materials", "closure"]

_NAMESPACE: Final = uuid.UUID("b5b8b8c2-3c1e-5f0a-9d52-6f1f5a0c8a11")
"""Of serial numbers made here (RFC 9562 §5.5)."""
_TARGET: Final = "x86_64-unknown-linux-gnu"


def bill_of_materials(tree: Path, program: str, *, commit: str, committed: int) -> bytes:
    """JSON. `tree` is a checkout with Cargo.lock, `committed` the commit's time in seconds since 1970."""
    metadata = _metadata(tree)
    checksums = _checksums(tree / "Cargo.lock")
    packages = closure(metadata, program)
    components = {package["id"]: _component(package, checksums) for package in packages.values()}
    root = next(package["id"] for package in packages.values() if package["name"] == program)
    described = components.pop(root)
    described.type = ComponentType.APPLICATION
    bom = Bom(
        components=components.values(),
        serial_number=uuid.uuid5(_NAMESPACE, f"{program} {commit}"),
        metadata=BomMetaData(component=described, timestamp=datetime.fromtimestamp(committed, UTC)),
    )
    known = {**components, root: described}
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in known:
            needed = [known[name] for name in _needed(node) if name in known]
            bom.register_dependency(known[node["id"]], needed)
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    return text.encode() + b"\n"


def closure(metadata: Mapping[str, Any], program: str) -> dict[str, Any]:
    """Packages that are built into `program`, or run while it is built, by their ids; tests' own are left out."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: dict[str, Any] = {}
    left = [name for name in metadata["workspace_members"] if packages[name]["name"] == program]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = packages[name]
            left += _needed(nodes[name])
    return dict(sorted(found.items(), key=lambda item: (item[1]["name"], item[1]["version"])))


def _needed(node: Mapping[str, Any]) -> Iterator[str]:
    for dependency in node["deps"]:
        if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
            yield dependency["pkg"]


def _component(package: Mapping[str, Any], checksums: Mapping[tuple[str, str], str]) -> Component:
    name, version = package["name"], package["version"]
    checksum = checksums.get((name, version))
    purl = PackageURL(type="cargo", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
        # Older packages write "MIT/Apache-2.0" for what SPDX calls OR.
        licenses=[LicenseExpression(package["license"].replace("/", " OR "))] if package["license"] else [],
    )


def _metadata(tree: Path) -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", _TARGET]
    done = subprocess.run(command, cwd=tree, capture_output=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _checksums(lock: Path) -> dict[tuple[str, str], str]:
    packages = tomllib.loads(lock.read_text())["package"]
    return {(one["name"], one["version"]): one["checksum"] for one in packages if "checksum" in one}
