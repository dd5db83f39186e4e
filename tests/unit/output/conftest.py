"""spec/vectors/output.json, which both languages read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / f"{name}.json").read_bytes())
    return found
