"""Files that vectors are made of: equal bytes are written once, under the name of the case that had them first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Parts"]


class Parts:
    """Writes into a folder, of which `kinds` are the folders in it, besides `cases`; what was there goes."""

    def __init__(self, folder: Path, kinds: Sequence[str]) -> None:
        self._folder = folder
        self._known: dict[bytes, str] = {}
        for kind in ("cases", *kinds):
            shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / "cases").mkdir(parents=True)

    def put(self, data: bytes, kind: str, name: str) -> str:
        """Where these bytes are, below the folder."""
        if data not in self._known:
            path = Path(kind, name)
            (self._folder / kind).mkdir(exist_ok=True)
            (self._folder / path).write_bytes(data)
            self._known[data] = str(path)
        return self._known[data]

    def case(self, name: str, vector: Mapping[str, Any]) -> None:
        text = json.dumps(vector, indent=2, ensure_ascii=False)
        (self._folder / "cases" / f"{name}.json").write_text(text + "\n")
