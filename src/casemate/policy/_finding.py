"""What a step of a decision found: held or not, with the reason and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casemate.wire.policies import StepRecord

__all__ = ["Finding", "judged"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`relied_on` is the release statement without which it would not have held."""

    held: bool
    expected: str
    got: str
    remedy: str
    relied_on: bytes | None = None

    def recorded(self, step: str) -> StepRecord:
        """Under this label."""
        return StepRecord(step=step, held=self.held, expected=self.expected, got=self.got)


def judged(steps: Sequence[str], findings: Sequence[Finding]) -> tuple[tuple[StepRecord, ...], str | None]:
    """The record of each step, one a finding, and what would mend the first that does not hold; None where all do."""
    records = tuple(found.recorded(step) for step, found in zip(steps, findings, strict=True))
    return records, next((found.remedy for found in findings if not found.held), None)
