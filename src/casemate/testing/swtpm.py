"""A TPM in software (swtpm) with a state of its own, and tpm2-tools that talk to it.

    with swtpm() as tpm:
        tpm.tool("tpm2_pcrextend", f"11:sha256={'ab' * 32}")

`socket` takes TPM commands as they are, one client at a time; `socket`.ctrl is the channel beside it. It was started
up (TPM2_Startup, clear) and has no resource manager: what is loaded is flushed by whoever loaded it (`flush`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.testing.stage import StageError, wait_for

__all__ = ["MISSING_SWTPM", "SoftwareTpm", "swtpm", "swtpm_is_there"]

MISSING_SWTPM: Final = "needs apt-get install --no-install-recommends swtpm tpm2-tools"
_TOOL_SECONDS: Final = 60


def swtpm_is_there() -> bool:
    return all(shutil.which(program) for program in ("swtpm", "tpm2_quote"))


@dataclass(frozen=True)
class SoftwareTpm:
    """`folder` is where tools run, and their files are."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "tpm"

    @property
    def tcti(self) -> str:
        """As `TPM2TOOLS_TCTI` has it."""
        return f"swtpm:path={self.socket}"

    def listens(self) -> bool:
        return self.socket.exists() and self.socket.with_name("tpm.ctrl").exists()

    def tool(self, name: str, *arguments: str | Path) -> bytes:
        """Output of a tool. Errors: StageError where it fails."""
        done = subprocess.run(
            [name, *map(str, arguments)],
            env={"PATH": os.environ.get("PATH", os.defpath), "TPM2TOOLS_TCTI": self.tcti},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TOOL_SECONDS,
        )
        if done.returncode:
            raise StageError(f"{name}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def flush(self) -> None:
        """Objects and sessions that are loaded: there is room for three of each."""
        for kind in ("--transient-object", "--loaded-session", "--saved-session"):
            self.tool("tpm2_flushcontext", kind)


@contextmanager
def swtpm() -> Iterator[SoftwareTpm]:
    """Errors: StageError where it does not start."""
    made = SoftwareTpm(Path(tempfile.mkdtemp(prefix="casemate-tpm-")))
    state = made.folder / "state"
    state.mkdir(mode=0o700)
    with (made.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "swtpm", "socket", "--tpm2", "--server", f"type=unixio,path={made.socket}",
                "--ctrl", f"type=unixio,path={made.socket}.ctrl", "--tpmstate", f"dir={state}",
                "--flags", "not-need-init,startup-clear",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for("swtpm", lambda: process.poll() is not None or made.listens())
        if process.poll() is not None:
            raise StageError(f"swtpm ended: {made.read('log').decode(errors='replace')}")
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(made.folder, ignore_errors=True)
