"""The folders that are compared: plain ones, and mounted volumes, all below one folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["VOLUME", "make", "mounted", "plain"]

VOLUME: Final = "volume"
_CASEMATE: Final = Path(sys.executable).with_name("casemate")


def plain(folder: Path, name: str) -> Path:
    place = folder / f"{name}-plain"
    place.mkdir(parents=True, exist_ok=True)
    return place


def make(folder: Path, name: str, capacity: str) -> None:
    _ask("create", folder / f"{name}-{VOLUME}", *_keys(folder, name), "--size", capacity)


@contextmanager
def mounted(folder: Path, name: str) -> Iterator[Path]:
    """Where the volume's files are meanwhile."""
    place = folder / f"{name}-mount"
    place.mkdir(exist_ok=True)
    _ask("mount", folder / f"{name}-{VOLUME}", place, *_keys(folder, name))
    try:
        yield place
    finally:
        _ask("unmount", place)


def _keys(folder: Path, name: str) -> list[str | Path]:
    return ["--key-file", folder / f"{name}-key", "--anchor", f"file:{folder / f'{name}-anchor'}"]


def _ask(*arguments: str | Path) -> Any:
    done = subprocess.run([_CASEMATE, "volume", *arguments, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"bench: casemate volume {arguments[0]}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout or "null")
