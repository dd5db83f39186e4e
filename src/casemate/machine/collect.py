"""Asks `casemate-evidence` (crates/evidence-tool) for evidence of this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from casemate.errors import CasemateError, PlatformError, UsageError
from casemate.simulator.launch import launch
from casemate.tool import Program

__all__ = ["SOURCES", "Collected", "collect"]

SOURCES: Final = ("sev-snp", "tdx", "nitro", "tpm", "simulated")
"""Of which platforms there can be evidence, in the order in which they are looked for; the last one only when named."""
_REMEDIES: Final = {
    "absent": "run it on a confidential machine, name its TPM with --tpm, or say --platform simulated",
    "platform": "run it as a user who may use the device, or name another platform with --platform",
    "silent": "look at its messages above",
}
_MOST_BYTES: Final = 4 * 1024 * 1024


def _refusal(code: str, message: str) -> CasemateError:
    if code == "usage":
        return UsageError(message)
    return PlatformError(message, step=f"collect.{code}", remedy=_REMEDIES.get(code))


_PROGRAM: Final = Program("casemate-evidence", "the evidence's program", _refusal)


@dataclass(frozen=True)
class Collected:
    """Evidence of `platform`, which `source` gave; `others` could have given some as well. `form` is the wire form of
    spec/evidence.md.
    """

    platform: str
    source: str
    others: tuple[str, ...]
    form: dict[str, Any] = field(repr=False)


def collect(
    report_data: bytes,
    *,
    platform: str | None = None,
    tpm: Path | None = None,
    key: int | None = None,
    log: bool = True,
    agent: Path | None = None,
) -> Collected:
    """Evidence over 64 bytes of report data, of the platform that is named or the first of `SOURCES` that is here.
    `key` is the persistent handle of a TPM's key; `agent` the socket of the simulated platform's;
    without `log` an event log stays behind.

    Errors: PlatformError where there is none, or where it gives none; UsageError.
    """
    request = {
        "command": "collect",
        "platform": platform,
        "report_data": report_data.hex(),
        "tpm": None if tpm is None else str(tpm.absolute()),
        "key": key,
        "log": log,
    }
    binary = _PROGRAM.installed()
    if platform == "simulated" and agent is not None:
        said = _PROGRAM.result(_launched(agent, binary, request))
    else:
        said = _PROGRAM.ask(binary, request)
    form = {name: said[name] for name in ("evidence", "endorsements")}
    return Collected(said["platform"], said["source"], tuple(said["others"]), form)


def _launched(agent: Path, binary: Path, request: dict[str, Any]) -> bytes:
    """What the program says as a domain of its own of the simulated platform: whoever asks there must be launched."""
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    with os.fdopen(answer, "rb") as output:
        try:
            # A request fits into a pipe, whether somebody reads it yet or not.
            with os.fdopen(ask, "wb") as pipe:
                pipe.write(json.dumps(request).encode())
            started = launch(
                agent,
                shield=binary,
                host_data=bytes(32),
                bundle=b"",
                arguments=[],
                environment={},
                stdio=(asked, answered, 2),
            )
        finally:
            os.close(asked)
            os.close(answered)
        with started:
            return output.read(_MOST_BYTES)
