"""The vectors of spec/vectors, by name; crates/ read the same files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[3] / "spec" / "vectors"


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_bytes())
    return found


def named(case: Any) -> str:
    """The id of a test: the case's name."""
    return str(case.get("name", "")) if isinstance(case, dict) else ""


Vectors = Callable[[str], dict[str, Any]]
