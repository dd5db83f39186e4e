"""One measured figure with all its runs."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """`goal` is a bound in `unit`, None for figures that only explain others; `more_is_better` turns it round."""

    what: str
    unit: str
    values: list[float]
    goal: float | None = None
    more_is_better: bool = False

    def row(self) -> str:
        median = statistics.median(self.values)
        deciles = statistics.quantiles(self.values, n=10) if len(self.values) > 1 else [median] * 9
        return (
            f"| {self.what} | {_shown(median)} {self.unit} | {_shown(deciles[0])} to {_shown(deciles[-1])} | "
            f"{self._verdict(median)} | {len(self.values)} |"
        )

    def _verdict(self, median: float) -> str:
        if self.goal is None:
            return ""
        reached = median >= self.goal if self.more_is_better else median <= self.goal
        return f"{'≥' if self.more_is_better else '≤'} {self.goal:,g}: {'reached' if reached else 'MISSED'}"


def _shown(value: float) -> str:
    """Ratios need two places."""
    return f"{value:,.2f}" if abs(value) < 2 else f"{value:,.1f}"
