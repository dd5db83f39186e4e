"""Changes of a good manifest with a health check: one for each rule that it then breaks."""

from __future__ import annotations

from typing import Final

from scripts.vectors._manifest_parts import Changes, Place, each

__all__ = ["CHANGES", "HEALTH"]

HEALTH: Final[dict[str, object]] = {"command": ["/bin/api", "--check"], "timeout": 30_000}

_COMMAND: Final[Place] = ("health", "command")
_TIMEOUT: Final[Place] = ("health", "timeout")

CHANGES: Final[Changes] = [
    (
        "health.command",
        "health.command has",
        each("a health check", _COMMAND, {"that runs nothing": [], "of too many words": ["/bin/api"] * 65}),
    ),
    (
        "health.command: the program is not",
        "health.command",
        each("a health check", _COMMAND, {"that is not in root": ["/bin/x"], "that is a folder": ["/data"]}),
    ),
    ("holds a NUL", "free of NUL", [("a health check with a NUL", _COMMAND, ["/bin/api", "\0"])]),
    ("has no holes", "has no holes", [("a health check with a hole", _COMMAND, ["/bin/api", "{{ hole.port }}"])]),
    (
        "health.timeout",
        "between 1 and 3,600,000",
        each("a health check", _TIMEOUT, {"without time": 0, "of more than an hour": 3_600_001}),
    ),
    ("health.timeout", "malformed", [("a health check of less than no time", _TIMEOUT, -1)]),
    ("health.interval", "unknown field", [("a health check with an unknown field", ("health", "interval"), 1)]),
]
