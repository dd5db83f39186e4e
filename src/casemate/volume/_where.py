"""Which volume is meant: its folder, its key, its anchor, and what the anchor is good for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from casemate.volume import key
from casemate.volume.anchor import file_of

__all__ = ["Durability", "Freshness", "Where"]

Durability = Literal["lazy", "durable"]
"""When an update of the anchor's file reaches the disk: lazy survives kill -9, durable a loss of power."""

Freshness = Literal["strict", "interval", "none"]
"""When the anchor follows what is durable: before an fsync returns, soon after, never."""


@dataclass(frozen=True)
class Where:
    """Paths are absolute and have no links: the same volume has the same `Where`."""

    folder: Path
    key_file: Path
    anchor: Path
    durability: str
    freshness: str
    snapshot: str | None = None

    @classmethod
    def of(
        cls,
        folder: str | os.PathLike[str],
        key_file: str | os.PathLike[str],
        anchor: str,
        durability: Durability,
        freshness: Freshness,
        snapshot: str | None = None,
    ) -> Where:
        """As a caller wrote it. Errors: UsageError for an anchor of another kind than `file:PATH`."""
        return cls(
            Path(folder).resolve(),
            Path(key_file).resolve(),
            file_of(anchor).resolve(),
            str(durability),
            str(freshness),
            snapshot,
        )

    def arguments(self) -> tuple[Path, str, Path, str]:
        """As the engine wants it, with the key. Errors: UsageError for the key file."""
        return self.folder, key.load(self.key_file), self.anchor, self.durability
