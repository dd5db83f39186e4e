"""The platform itself as OCI images, in a layout: `make images`, or `python -m scripts.images FOLDER`.

    custodian   the shield, the custodian's launch manifest, and exactly the files that the manifest measures
    tools       the command line: interpreter, packages, and the programs of crates/

No engine and no base image is needed: what is in them is what is installed here, file by file, from locked packages.
The same installation gives the same images, to the last bit.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import Requirement

import casemate
from casemate.cli._home import shield
from casemate.cli.custodian._holes import DEFAULT_HOLES
from casemate.cli.custodian._measured import custodian_manifest
from casemate.image import shape
from casemate.image.layout import Layout
from casemate.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Descriptor, described, manifest_object
from casemate.image.original import EPOCH
from casemate.image.programs import layer_of
from casemate.manifest import python
from casemate.manifest.root import Root
from casemate.wire import canonical

__all__ = ["ROOT", "custodian", "main", "tools", "write_all"]

ROOT: Final = Path(__file__).parent.parent
_BY: Final = "make images"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - the network of the container
_PORT: Final = f"{DEFAULT_HOLES['port']}/tcp"
_PROGRAMS: Final = ("casemate-evidence", "casemate-image", "casemate-shield", "casemate-volume")
_HOME: Final = "/casemate"
"""Where the command line in a container keeps a person's things."""


@dataclass(frozen=True)
class Parts:
    """Layers from the bottom up, and how an engine starts them."""

    layers: Sequence[Path]
    config: Mapping[str, object]


def main() -> int:
    """Writes both and says what they are called."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "images"
    for name, digest in write_all(folder, ROOT / "build" / "pyc").items():
        sys.stdout.write(f"oci:{folder}:{name}  {digest}\n")
    return 0


def write_all(folder: Path, cache: Path) -> dict[str, str]:
    """Digests of the images by name; `cache` keeps compiled modules."""
    with TemporaryDirectory(prefix="casemate-images-") as scratch:
        makers = {"custodian": custodian, "tools": tools}
        return {name: _write(make(cache, Path(scratch)), folder, name).digest for name, make in makers.items()}


def custodian(cache: Path, scratch: Path) -> Parts:
    """What is started is the manifest: the files are only where the shield looks for them."""
    built = custodian_manifest(cache)
    shape.write_shield(scratch / "shield.tar", shield())
    layer_of(built.parsed.manifest.root, built.sources, scratch / "custodian.tar")
    _write_manifest(scratch / "manifest.tar", built.parsed.data)
    holes = {"command": "serve", **DEFAULT_HOLES, "address": _EVERYWHERE}
    return Parts(
        [scratch / "shield.tar", scratch / "custodian.tar", scratch / "manifest.tar"],
        {
            "Entrypoint": list(shape.ENTRYPOINT),
            "Env": [f"CASEMATE_HOLE_{name}={value}" for name, value in sorted(holes.items())],
            "ExposedPorts": {_PORT: {}},
            "Labels": _labels("custodian"),
        },
    )


def tools(cache: Path, scratch: Path) -> Parts:
    """Not protected: it holds no secret, and whoever uses it uses the machine that it runs on."""
    root = Root()
    needed = [Requirement(text) for text in requires("casemate") or []]
    python.add_python(root, packages=[one.name for one in needed if one.marker is None], cache=cache)
    package = Path(casemate.__file__).parent
    python.add_package_folder(root, package, base=package.parent, cache=cache)
    for file in distribution("casemate").files or []:
        if file.name == "METADATA":  # has the version
            root.add_file(Path(str(file.locate())), inside=f"{python.PREFIX}/packages/{file}")
    for program in _PROGRAMS:
        root.add_file(Path(sys.executable).parent / program, inside=f"{python.PREFIX}/bin/{program}")
    layer_of(root.sorted_entries(), root.sources, scratch / "tools.tar")
    environment = {
        "CASEMATE_HOME": _HOME,
        "LANG": "C.UTF-8",
        "PATH": f"{python.PREFIX}/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHOME": python.PREFIX,
        "PYTHONPATH": f"{python.PREFIX}/packages",
    }
    return Parts(
        [scratch / "tools.tar"],
        {
            "Entrypoint": [python.program(), "-s", "-S", "-P", "-m", "casemate.cli.main"],
            "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
            "Labels": _labels("tools"),
            "Volumes": {_HOME: {}},
        },
    )


def _labels(name: str) -> dict[str, str]:
    prefix = "org.opencontainers.image"
    return {f"{prefix}.title": f"casemate/{name}", f"{prefix}.version": version("casemate")}


def _write_manifest(target: Path, manifest: bytes) -> None:
    """The manifest, and places for the folders of the host. A custodian asks no other one."""
    with tarfile.open(target, "x", format=tarfile.USTAR_FORMAT) as archive:
        for path in ("casemate", "casemate/mounts"):
            folder = tarfile.TarInfo(path)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o555
            archive.addfile(folder)
        file = tarfile.TarInfo("casemate/manifest.json")
        file.size, file.mode = len(manifest), 0o444
        archive.addfile(file, io.BytesIO(manifest))


def _write(parts: Parts, folder: Path, tag: str) -> Descriptor:
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(folder, tag)
    layers = [described(path, LAYER_TYPE) for path in parts.layers]
    for path, layer in zip(parts.layers, layers, strict=True):
        layout.put_blob(path, layer)
    config = {
        "created": EPOCH,
        "architecture": "amd64",
        "os": "linux",
        "config": parts.config,
        # Nothing is compressed, so each blob's digest is its `diff_id`.
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": EPOCH, "created_by": _BY} for _ in layers],
    }
    stored = layout.put_manifest(canonical.encode(config), CONFIG_TYPE)
    made = layout.put_manifest(canonical.encode(manifest_object(stored, layers)), MANIFEST_TYPE)
    layout.finish(made)
    return made


if __name__ == "__main__":
    sys.exit(main())
