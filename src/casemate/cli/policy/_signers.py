"""Keys that signed, by the names that people know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["named"]


def named(keys: Iterable[str], document: Mapping[str, Any]) -> list[str]:
    """`alice (ed25519:…)` for a key that is a principal of `document`, else the key alone; sorted."""
    principals = document.get("principals", {})
    names = {entry["key"]: name for name, entry in principals.items()}
    return sorted(f"{names[key]} ({key})" if key in names else key for key in keys)
