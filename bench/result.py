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
            f"| {self.what} | {median:,.1f} {self.unit} | {deciles[0]:,.1f} to {deciles[-1]:,.1f} | "
            f"{self._verdict(median)} | {len(self.values)} |"
        )

    def _verdict(self, median: float) -> str:
        if self.goal is None:
            return ""
        reached = median >= self.goal if self.more_is_better else median <= self.goal
        return f"{'≥' if self.more_is_better else '≤'} {self.goal:,.0f}: {'reached' if reached else 'MISSED'}"
