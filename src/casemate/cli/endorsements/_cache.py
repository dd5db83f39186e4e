"""Where endorsements are kept, and how one looks to people."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._home import home
from casemate.endorsements.cache import Cache
from casemate.endorsements.facts import Facts
from casemate.errors import UsageError
from casemate.wire.fields import format_time

__all__ = ["CacheFolder", "described", "opened", "validity"]

CacheFolder = Annotated[
    Path | None,
    typer.Option("--cache", help="The folder of endorsements; else `endorsements` in casemate's home."),
]


def opened(folder: Path | None) -> Cache:
    """What is not there yet is empty. Errors: UsageError."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"--cache {folder} is not a folder", remedy="name a folder; fetch makes it")
    return Cache(folder or home() / "endorsements")


def described(name: str, facts: Facts | None, at: datetime) -> dict[str, Any]:
    """As JSON."""
    if facts is None:
        return {"name": name, "what": None, "from": None, "to": None, "valid": False}
    return {
        "name": name,
        "what": facts.what,
        "from": format_time(facts.start),
        "to": format_time(facts.end),
        "valid": facts.covers(at),
    }


def validity(end: datetime, at: datetime) -> str:
    """`ends in 12 days`, `ended 3 days ago`, in whole days."""
    days = (end - at).days
    if end <= at:
        return f"ended {-days} day{'s' * (days != -1)} ago"
    return f"ends in {days} day{'s' * (days != 1)}"
