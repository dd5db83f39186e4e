"""What Podman and its kin have (`containers-storage:`): its form is theirs, so skopeo reads and writes it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from casemate.errors import ImageError, PlatformError
from casemate.image.layout import Layout

__all__ = ["TAG", "fetched", "store"]

TAG: Final = "image"
"""Of the one image in a layout that skopeo is given, or fills."""


def fetched(name: str, folder: Path) -> Layout:
    """The image of this name, as a layout in a new folder. Errors: PlatformError without skopeo, ImageError."""
    _copy(f"containers-storage:{name}", f"oci:{folder}:{TAG}")
    return Layout(folder, TAG)


def store(layout: Layout, name: str) -> None:
    """Gives the layout's image to the engine. Errors: as `fetched`."""
    _copy(f"oci:{layout.folder}:{layout.tag}", f"containers-storage:{name}")


def _copy(source: str, target: str) -> None:
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise PlatformError(
            "skopeo is not there, which reads and writes what container engines have",
            remedy="install it, or save the image to a file: podman save --format oci-archive -o FILE NAME",
        )
    try:
        done = subprocess.run(
            [skopeo, "copy", "--quiet", "--insecure-policy", "--", source, target],
            check=False, capture_output=True, text=True, errors="replace", env=os.environ,
        )  # fmt: skip
    except OSError as error:
        raise PlatformError(f"{skopeo} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ImageError(
            "the container engine's storage did not do it", step="image.storage", got=said[-1][:500] if said else None
        )
