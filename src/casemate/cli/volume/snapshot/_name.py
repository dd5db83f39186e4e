"""The argument that names a snapshot."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["SnapshotName"]

SnapshotName = Annotated[str, typer.Argument(help="The snapshot's name: as a file's name, up to 255 bytes.")]
