"""The health check of an image: what its author said, and what a container engine is told instead.

The check itself becomes part of the launch manifest, and runs where the workload does. The engine only asks the shield
for its outcome, as often as the author said; that is its business and stays in the image's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from casemate.errors import ImageRefusedError
from casemate.wire.manifest import MAX_CHECK_MILLISECONDS

__all__ = ["FIELD", "QUESTION", "Check", "is_question", "read"]

FIELD: Final = "Healthcheck"
"""Of an image's configuration (Docker's image specification; OCI leaves it to whoever knows it)."""
QUESTION: Final = ("CMD", "/casemate/shield", "--health")
_TIMES: Final = ("Interval", "Timeout", "StartPeriod", "StartInterval")
"""In nanoseconds; zero and absent leave it to the engine."""
_RETRIES: Final = "Retries"
_MAX: Final = 2**63 - 1
_DEFAULT_SHELL: Final = ("/bin/sh", "-c")
_DEFAULT_NANOSECONDS: Final = 30_000_000_000
"""Of one check, where the image does not say it: as container engines have it."""
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True)
class Check:
    """`command` is looked up like the image's program. `times` are how often and how long, as engines spell it."""

    command: Sequence[str]
    times: Mapping[str, int]

    @property
    def milliseconds(self) -> int:
        """How long one check may take, as launch manifests have it."""
        limit = self.times.get("Timeout") or _DEFAULT_NANOSECONDS
        return min(-(-limit // _NANOSECONDS_PER_MILLISECOND), MAX_CHECK_MILLISECONDS)

    def question(self) -> dict[str, object]:
        """What an engine is told to run."""
        return {"Test": list(QUESTION), **self.times}


def read(said: Mapping[str, Any] | None, shell: Sequence[str] | None) -> Check | None:
    """What a configuration says, if it says a check. Errors: ImageRefusedError."""
    match (said or {}).get("Test"):
        case None | [] | ["NONE"]:
            return None
        case ["CMD", str(), *_] as test if _are_texts(test):
            return Check(test[1:], _times(said or {}))
        case ["CMD-SHELL", str(command)]:
            return Check([*(shell or _DEFAULT_SHELL), command], _times(said or {}))
    raise _refuse("it is neither a command nor a line for a shell")


def is_question(said: object) -> bool:
    """Whether a configuration of a protected image tells the engine to ask the shield, and nothing else."""
    if not isinstance(said, Mapping) or said.get("Test") != list(QUESTION):
        return False
    try:
        return dict(said) == {"Test": list(QUESTION), **_times(said)}
    except ImageRefusedError:
        return False


def _are_texts(test: Sequence[object]) -> bool:
    return all(isinstance(part, str) for part in test)


def _times(said: Mapping[str, Any]) -> dict[str, int]:
    found = {name: said[name] for name in (*_TIMES, _RETRIES) if said.get(name)}
    if not all(type(value) is int and 0 < value <= _MAX for value in found.values()):
        raise _refuse("its times are not what an engine takes")
    return found


def _refuse(why: str) -> ImageRefusedError:
    return ImageRefusedError(
        f"the image's health check cannot be read: {why}",
        step="image.health",
        remedy="correct its HEALTHCHECK, or build it with HEALTHCHECK NONE",
    )
