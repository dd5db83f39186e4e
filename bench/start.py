"""A shield's start: attest and receive the configuration, and the time to the workload's first instruction.

The workload is redis-server with its whole closure (`redis-server --version` ends at once). The shield prints its own
times, read from CLOCK_MONOTONIC; the last row starts that clock before the platform measures the shield.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import Final

from bench.installation import Installation
from bench.result import Result
from casemate.cli._home import shield
from casemate.manifest.bundle import launch_bundle
from casemate.simulator.launch import launch

__all__ = ["measure"]

_RUNS: Final = 60
_WARM_UP: Final = 5
_TIMING: Final = re.compile(r"timing (.*)")


def measure(installation: Installation) -> list[Result]:
    bundle = launch_bundle(installation.built, genesis=installation.genesis, addresses=[installation.url])
    runs = [_run(installation, bundle) for _ in range(_WARM_UP + _RUNS)][_WARM_UP:]
    columns = {name: [run[name] for run in runs] for name in runs[0]}
    return [
        Result("shield: attest and receive the configuration", "ms", columns["attest_ms"], goal=10),
        Result("shield: start to the workload's first instruction", "ms", columns["exec_ms"], goal=60),
        Result("shield: of that, private root built (beside the attestation)", "ms", columns["root_ms"]),
        Result("launch request to the workload's first instruction", "ms", columns["launch_ms"]),
        Result("plain fork and exec of the same program, to its end", "ms", [_plain() for _ in range(_RUNS)]),
    ]


def _run(installation: Installation, bundle: bytes) -> dict[str, float]:
    read_end, write_end = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    with launch(
        installation.agent,
        shield=shield(),
        host_data=bytes.fromhex(installation.built.parsed.digest.removeprefix("sha256:")),
        bundle=bundle,
        arguments=["--timings"],
        environment={},
        stdio=(nothing, nothing, write_end),
    ) as started:
        os.close(write_end)
        status = started.wait()
    os.close(nothing)
    with os.fdopen(read_end) as errors:
        said = errors.read()
    found = _TIMING.search(said)
    if status != 0 or found is None:
        raise SystemExit(f"bench: the shield ended with {status}: {said}")
    values = {name: float(value) for name, value in (item.split("=") for item in found[1].split())}
    return {**values, "launch_ms": (values["exec_ns"] - begin) / 1e6}


def _plain() -> float:
    begin = time.perf_counter()
    subprocess.run(["/usr/bin/redis-server", "--version"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000
