"""The real processes of a custodian, under a shield's side that is a test's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import casemate
from casemate.simulator.pki import SimulatedPlatform
from casemate.testing.shield_side import ShieldSide
from casemate.wire.manifest import Manifest, ParsedManifest

MEASUREMENT: Final = bytes(range(48))
_SOURCES: Final = Path(casemate.__file__).parent.parent


def manifest(**change: Any) -> bytes:
    """A custodian's, of one file."""
    value: dict[str, Any] = {
        "casemate_manifest": 1,
        "role": "custodian",
        "root": [{"path": "/bin/x", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}],
        "writable": [],
        "mounts": [],
        "files": [],
        "entrypoint": ["/bin/x"],
        "arguments": [],
        "environment": {},
        "holes": {},
        "user": {"uid": 0, "gid": 0},
        "working_directory": "/",
        **change,
    }
    return ParsedManifest.build(Manifest.model_validate(value)).data


MANIFEST: Final = manifest()


class Process:
    """`python -m casemate.custodian COMMAND`, in a process group of its own."""

    def __init__(
        self, platform: SimulatedPlatform, folder: Path, command: str, *options: str, manifest: bytes = MANIFEST
    ) -> None:
        self._side = ShieldSide(platform, measurement=MEASUREMENT, manifest=manifest)
        places = [f"--data={folder / 'data'}", f"--anchor={folder / 'anchors' / 'anchor'}"]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "casemate.custodian", command, *places, *options],
            env={**os.environ, "PYTHONPATH": str(_SOURCES), "CASEMATE_PLATFORM_FD": str(self._side.descriptor)},
            pass_fds=(self._side.descriptor,),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._side.__enter__()
        self.port = 0
        self.tls_port: int | None = None

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        self._side.__exit__(None, None, None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workers(self) -> list[int]:
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(number) for number in path.read_text().split()]

    def until(self, event: str) -> dict[str, Any]:
        """Reads its log as far as this event."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith(b"{") and (said := json.loads(line)).get("event") == event:
                return dict(said)
        raise AssertionError(f"it ended with {self._process.wait()} and never said: {event}")

    def serving(self) -> Process:
        said = self.until("serving")
        self.port, self.tls_port = said["port"], said["tls_port"]
        return self

    def kill(self, *, alone: bool = False) -> None:
        """SIGKILL to all of its processes, or to the keeper alone. Returns when none of them is left."""
        if alone:
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.end()

    def stop(self) -> int:
        self._process.terminate()
        return self.end()[0]

    def end(self) -> tuple[int, str, str]:
        """Its status and what it said; the pipes end when the last of its workers has."""
        output, errors = self._process.communicate(timeout=30)
        return self._process.returncode, output.decode(), errors.decode()
