"""What a program in a protected image waits for: its start, files of the image, the processor.

The ratios are those of a pair of runs, one after the other; each run of the first half begins with an empty cache.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.images.pair import pair, ratio
from bench.result import Result
from casemate.testing.stage import Result as Outcome
from examples.services.images import Images
from examples.services.place import Place
from examples.services.service import Service

__all__ = ["measure"]

_PAIRS: Final = 7
_DROP: Final = Path("/proc/sys/vm/drop_caches")


class _Job(Service):
    """An image of ours: examples/services has none that only computes and reads."""

    @property
    def source(self) -> Path:
        return Path(__file__).parent / "image"


@dataclass(frozen=True)
class _Pairs:
    """What each pair of runs took, in seconds."""

    plain: list[dict[str, float]]
    protected: list[dict[str, float]]

    def ratios(self, name: str) -> list[float]:
        return [one[name] / other[name] for one, other in zip(self.plain, self.protected, strict=True)]

    def more(self, name: str) -> list[float]:
        """Milliseconds."""
        return [(other[name] - one[name]) * 1000 for one, other in zip(self.plain, self.protected, strict=True)]


def measure(place: Place, images: Images) -> list[Result]:
    both = pair(place, images, _Job("job", lambda _: None, hidden=(), listens=False))
    cold = _pairs(both.run_plain, both.run_protected, before=_empty_caches)
    warm = _pairs(both.run_plain, both.run_protected, before=lambda: None)
    return [
        Result("image: start over the plain one", "ms", warm.more("started"), goal=150),
        Result("image: start over the plain one, nothing in the cache", "ms", cold.more("started")),
        ratio("speed of 5,000 small files, cold", cold.ratios("small_first"), goal=0.8),
        ratio("speed of a large file, cold", cold.ratios("large_first"), goal=0.8),
        ratio("speed of 5,000 small files, warm", warm.ratios("small_second"), goal=0.95),
        ratio("speed of a large file, warm", warm.ratios("large_second"), goal=0.95),
        ratio("speed of a job that computes", warm.ratios("computed"), goal=0.95),
    ]


def _pairs(plain: Callable[[], Outcome], protected: Callable[[], Outcome], before: Callable[[], None]) -> _Pairs:
    found = _Pairs([], [])
    for _ in range(_PAIRS):
        for run, runs in ((plain, found.plain), (protected, found.protected)):
            before()
            runs.append(_took(run))
    return found


def _took(run: Callable[[], Outcome]) -> dict[str, float]:
    asked = time.time()
    told = run()
    if told.status != 0:
        raise SystemExit(f"bench: a container ended with {told.status}: {told.errors}")
    took: dict[str, float] = json.loads(told.output)
    return {**took, "started": took["began"] - asked}


def _empty_caches() -> None:
    os.sync()
    _DROP.write_text("3")
