"""Docker with a daemon of its own: storage, state, socket; no bridge, and no rules for packets."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from casemate.testing.stage import Result, StageError, wait_for

__all__ = ["DOCKER_FLAGS", "LEAST_DOCKER_FLAGS", "MISSING_DOCKER", "Docker", "docker", "docker_is_there"]

MISSING_DOCKER = "needs root and Docker: apt-get install --no-install-recommends docker.io"
# Docker's own filter of system calls has no pivot_root, whatever else is allowed.
DOCKER_FLAGS = (
    "--device", "/dev/fuse", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--network", "host",
)  # fmt: skip
LEAST_DOCKER_FLAGS = (
    "--device", "/dev/fuse", "--network", "host", "--read-only", "--cap-drop", "ALL", "--cap-add", "SETFCAP",
    "--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined", "--security-opt",
    "systempaths=unconfined",
)  # fmt: skip
"""No right over the machine: the shield makes a user namespace of its own."""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_STARTING_SECONDS = 40


def docker_is_there() -> bool:
    programs = ("docker", "dockerd", "containerd", "runc")
    return os.getuid() == 0 and all(shutil.which(program, path=_PATH) for program in programs)


@dataclass
class Docker:
    """`folder` is its own; `state` as well, by a short name: sockets in it have longer ones, and those have a limit."""

    folder: Path
    state: Path

    def docker(self, *arguments: str | Path, seconds: int = 120) -> Result:
        done = subprocess.run(
            ["docker", "--host", self.address, *map(str, arguments)],
            env={"PATH": _PATH, "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def ask(self, *arguments: str | Path) -> str:
        done = self.docker(*arguments)
        assert done.status == 0, done.errors
        return done.output.strip()

    @property
    def address(self) -> str:
        return f"unix://{self.state}/docker.sock"

    def remove(self, *containers: str) -> None:
        self.docker("rm", "--force", *containers)

    def command(self) -> Sequence[str | Path]:
        """Of its daemon."""
        return [
            "dockerd", "--host", self.address, "--data-root", self.folder / "storage", "--exec-root",
            self.state, "--pidfile", self.folder / "pid", "--storage-driver", "vfs", "--iptables=false",
            "--bridge=none",
        ]  # fmt: skip


@contextmanager
def docker(folder: Path) -> Iterator[Docker]:
    """Errors: StageError where its daemon does not start."""
    folder.mkdir()
    made = Docker(folder, Path(tempfile.mkdtemp(prefix="casemate-")))
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            made.command(), env={"PATH": _PATH}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(made, daemon)
        yield made
        made.remove(*made.ask("ps", "--all", "--quiet").split())
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        _unmount_below(folder, made.state)
        shutil.rmtree(made.state, ignore_errors=True)


def _unmount_below(*folders: Path) -> None:
    """What the daemon leaves mounted, and what would keep the folders from being removed."""
    places = [Path(line.split(" ")[1]) for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed(places):
        if any(place.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", place], capture_output=True, check=False)


def _wait_for(made: Docker, daemon: subprocess.Popen[bytes]) -> None:
    answers = "Docker's daemon"
    wait_for(answers, lambda: daemon.poll() is not None or made.docker("info").status == 0, seconds=_STARTING_SECONDS)
    if daemon.poll() is not None:
        raise StageError(f"{answers} ended: {(made.folder / 'log').read_text(errors='replace')[-1000:]}")
