"""Waiting for something that was just started, for as long as a person says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import typer

from casemate.errors import PlatformError, UnreachableError

__all__ = ["Wait", "patiently"]

Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for it, if it does not answer yet.")]

_PAUSE_SECONDS: Final = 0.1
T = TypeVar("T")


def patiently(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns, asked again for `seconds` while nobody answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (PlatformError, UnreachableError):
            if time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_SECONDS)
