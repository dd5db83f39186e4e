"""Helpers of the changes that break a good manifest: entries, and one change for each of several values."""

from __future__ import annotations

from typing import Any

from scripts.vectors._form import digest

__all__ = ["Changes", "Place", "each", "file", "folder", "link"]

Place = tuple[str | int, ...]
Changes = list[tuple[str, str, list[tuple[str, Place, object]]]]
"""What the custodian says, what the shield says, and the changes (name, place, value) about which they say it."""


def file(path: str) -> dict[str, Any]:
    return {"path": path, "type": "file", "digest": digest("api"), "size": 3, "mode": "0755"}


def link(target: str) -> dict[str, Any]:
    return {"path": "/lib", "type": "symlink", "target": target}


def folder(path: str) -> dict[str, Any]:
    return {"path": path, "type": "directory", "mode": "0700"}


def each(what: str, place: Place, values: dict[str, object]) -> list[tuple[str, Place, object]]:
    return [(f"{what}: {name}", place, value) for name, value in values.items()]
