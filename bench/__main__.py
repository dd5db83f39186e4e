"""`make bench`: measures the promises of SPECIFICATION.md on this machine, prints a table, writes bench/results/."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import attestations, images, start, verification, volume_commits, volume_python, volume_roots
from bench.installation import installed
from bench.result import Result
from examples.services.images import missing

__all__ = ["table"]

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    with installed() as installation:
        results = [
            *start.measure(installation),
            *attestations.measure(installation),
            *volume_roots.measure(installation),
            *volume_commits.measure(installation),
        ]
    results += verification.measure()
    results += volume_python.measure()
    if (lack := missing()) is None:
        results += images.measure()
    else:
        sys.stderr.write(f"bench: protected images are not measured: {lack}\n")
    shown = table(results)
    print(shown)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(shown + "\n")
    (RESULTS / "latest.json").write_text(json.dumps(_record(results), indent=1) + "\n")
    return 0


def table(results: list[Result]) -> str:
    """In the form of Markdown, the machine first."""
    lines = [_machine(), "", "| what | median | p10 to p90 | goal | runs |", "|---|---|---|---|---|"]
    lines += [result.row() for result in results]
    return "\n".join(lines)


def _record(results: list[Result]) -> dict[str, object]:
    return {
        "machine": _machine(),
        "results": [
            {"what": item.what, "unit": item.unit, "median": statistics.median(item.values), "values": item.values}
            for item in results
        ],
    }


def _machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": unknown")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {model.partition(':')[2].strip()}, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
