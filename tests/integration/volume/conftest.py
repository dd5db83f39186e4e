"""Sealed volumes as users have them: the command line and a real mount."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CASEMATE = Path(sys.executable).parent / "casemate"
ENDS_WITHIN = 30
MOUNTS = os.path.exists("/dev/fuse") and (os.getuid() == 0 or shutil.which("fusermount3") is not None)


@dataclass
class Sealed:
    """A volume in `folder`; key and anchor beside it, where no attacker comes."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "V"

    @property
    def mountpoint(self) -> Path:
        return self.root / "M"

    def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CASEMATE_HOME": str(self.root / "home")}
        line = [str(CASEMATE), "volume", command, *map(str, arguments)]
        return subprocess.run(line, env=environment, cwd=self.root, capture_output=True, text=True, check=False)

    def of(self, command: str, *arguments: object, anchor: str = "A", key: str = "K") -> dict[str, Any]:
        """A command about this volume; its result, or its error with the exit code."""
        done = self.run(command, *arguments, "--key-file", key, "--anchor", f"file:{anchor}", "--json")
        said: dict[str, Any] = json.loads(done.stdout)
        return {**said, "exit": done.returncode}

    def create(self, *arguments: object) -> dict[str, Any]:
        return self.of("create", "V", "--size", "256M", *arguments)

    def mount(self, *arguments: object) -> dict[str, Any]:
        return self.of("mount", "V", "M", *arguments)

    def unmount(self, mountpoint: str = "M") -> subprocess.CompletedProcess[str]:
        return self.run("unmount", mountpoint)

    def kill(self, pid: int) -> None:
        """The process that serves a mount, at once; returns when it is gone."""
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + ENDS_WITHIN
        while os.path.exists(f"/proc/{pid}") and _state(pid) != "Z":
            assert time.monotonic() < end
            time.sleep(0.01)
        self.unmount()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    """A volume that exists and is not mounted."""
    with _volume(tmp_path) as made:
        yield made


@pytest.fixture
def open_to_all() -> Iterator[Sealed]:
    """Another one, in a folder that every user may enter, as pytest's own may not be; key and anchor are still ours."""
    with tempfile.TemporaryDirectory(prefix="casemate-volume-") as folder:
        Path(folder).chmod(0o711)
        with _volume(Path(folder)) as made:
            yield made


@contextmanager
def _volume(root: Path) -> Iterator[Sealed]:
    if not MOUNTS:
        pytest.skip("FUSE cannot be used here: no /dev/fuse, or neither root nor fusermount3")
    made = Sealed(root)
    made.mountpoint.mkdir()
    assert made.create()["exit"] == 0
    yield made
    for _ in range(2):
        for mounted in reversed(_below(root)):
            subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)


def program(name: str) -> str:
    """Where a program is; without it, the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _below(folder: Path) -> list[str]:
    lines = Path("/proc/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(str(folder))]
