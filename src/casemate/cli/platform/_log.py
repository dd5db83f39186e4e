"""The agent's log: on standard error, and never a reason for it to fail."""

from __future__ import annotations

import sys
from contextlib import suppress

import structlog

__all__ = ["log_to_standard_error"]


def log_to_standard_error() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=_Log,
    )


class _Log:
    def __init__(self, *_names: str) -> None: ...

    def msg(self, line: str) -> None:
        with suppress(OSError):  # whoever read it is gone, or the disk is full: launches go on
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    info = warning = error = debug = msg
