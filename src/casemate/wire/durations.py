"""Durations as people write them: a whole number and a unit, `30d`, `12h`, `90m`, `45s`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from casemate.errors import MalformedError

__all__ = ["parse_duration"]

_FORM: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str, *, least: timedelta, most: timedelta) -> timedelta:
    """`MalformedError` for another form, or outside `least` to `most`."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise MalformedError("not a duration", step="encoding.duration", expected="30d, 12h, 90m or 45s", got=text[:32])
    duration = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if not least <= duration <= most:
        raise MalformedError(
            "a duration out of bounds", step="encoding.duration", expected=f"{least} to {most}", got=text
        )
    return duration
