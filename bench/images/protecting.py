"""How fast an image of a gigabyte is protected, and in how much memory. Its one layer is a part of this host's /usr."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.result import Result
from casemate.image.layout import Layout
from casemate.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, described, manifest_object
from casemate.testing.stage import Stage
from examples.services.place import Place

__all__ = ["measure"]

_BYTES: Final = 1 << 30
_RUNS: Final = 5


def measure(place: Place) -> list[Result]:
    stage, folder = place.stage, place.stage.folder / "protecting"
    folder.mkdir()
    stage.ask("policy", "init", "bench/large", "--owner", "alice", "--custodian", "main", "--insecure-simulation",
              "--output", folder / "starter.yaml")  # fmt: skip
    size = _make(Layout(folder / "large", "1"), folder / "layer.tar")
    runs = [_protect(stage, folder / "large", folder / "protected") for _ in range(_RUNS)]
    shutil.rmtree(folder)
    speeds, memory = [size / 1e6 / took for took, _ in runs], [used for _, used in runs]
    return [
        Result("image protect: one layer of 1 GB, not compressed", "MB/s", speeds, goal=300, more_is_better=True),
        Result("image protect: memory of the largest of its processes", "MB", memory, goal=300),
    ]


def _make(layout: Layout, archive: Path) -> int:
    """An image of one layer, not compressed; its bytes."""
    with tarfile.open(archive, "x", format=tarfile.PAX_FORMAT) as tar:
        left = _BYTES
        for path in _files(Path("/usr")):
            if (left := left - path.stat().st_size) < 0:
                break
            tar.add(path, recursive=False)
    layer = described(archive, LAYER_TYPE)
    layout.take_blob(archive, layer)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/usr/bin/env"]},
                         "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}).encode()  # fmt: skip
    manifest = manifest_object(layout.put_manifest(config, CONFIG_TYPE), [layer])
    layout.finish(layout.put_manifest(json.dumps(manifest).encode(), MANIFEST_TYPE))
    return layer.size


def _files(folder: Path) -> Iterator[Path]:
    """Programs first: the image needs one to be protected."""
    for top in ("bin", "lib", "share"):
        for above, folders, names in os.walk(folder / top):
            folders.sort()
            paths = (Path(above, name) for name in sorted(names))
            yield from (path for path in paths if path.is_symlink() or path.is_file())


def _protect(stage: Stage, source: Path, target: Path) -> tuple[float, float]:
    """Seconds, and MB of the largest of its processes. What was written is on the disk by then."""
    os.sync()
    asked = [str(Path(sys.executable).with_name("casemate")), "image", "protect", f"oci:{source}:1", f"oci:{target}:1",
             "--policy", "bench/large#api"]  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(asked, env=stage.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, process.returncode, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"bench: protecting an image ended with {process.returncode}")
    shutil.rmtree(target)
    return took, used.ru_maxrss * 1024 / 1e6
