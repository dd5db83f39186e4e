"""Podman with runc and storage of its own, and images of one archive."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from casemate.testing.stage import Result

MISSING = "needs podman and runc: apt-get install --no-install-recommends podman runc"
SOCKET = "/run/casemate/platform.sock"
FLAGS = ("--device", "/dev/fuse", "--cap-add", "SYS_ADMIN", "--network", "host")
LEAST_FLAGS = (
    "--device", "/dev/fuse", "--network", "host", "--read-only", "--cap-drop", "ALL", "--cap-add", "SETFCAP",
    "--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined", "--security-opt", "unmask=ALL",
)  # fmt: skip
"""No right over the machine: the shield makes a user namespace of its own."""
_CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


__all__ = ["FLAGS", "LEAST_FLAGS", "MISSING", "SOCKET", "Engine", "children", "engine", "is_there", "shield_arguments"]


def is_there() -> bool:
    return bool(shutil.which("podman") and shutil.which("runc"))


@dataclass
class Engine:
    """`folder` is its own: storage and configuration. `state` is what Podman keeps while containers run, and wants a
    name of at most 50 characters for. `driver`: vfs works everywhere, overlay copies nothing.
    `user`: whose engine it is, if not that of who runs the tests.
    """

    folder: Path
    state: Path
    driver: str = "vfs"
    user: int | None = None

    def podman(self, *arguments: str | Path, stdin: bytes = b"", seconds: int = 120) -> Result:
        command = ["podman", "--root", self.storage, "--runroot", self.state, "--storage-driver", self.driver]
        done = subprocess.run(
            [*map(str, command), *map(str, arguments)],
            env={"CONTAINERS_CONF": str(self.folder / "containers.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder)},
            input=stdin,
            capture_output=True,
            timeout=seconds,
            cwd=self.folder,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else (),
        )  # fmt: skip
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def ask(self, *arguments: str | Path, stdin: bytes = b"", seconds: int = 120) -> str:
        done = self.podman(*arguments, stdin=stdin, seconds=seconds)
        assert done.status == 0, done.errors
        return done.output.strip()

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def make(self, name: str, files: Mapping[str, tuple[bytes, int]]) -> None:
        """An image as `casemate image protect` writes them, but for how its files are sealed."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, (data, mode) in sorted(files.items()):
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(data), mode
                tar.addfile(entry, io.BytesIO(data))
        entry_point = json.dumps(["/casemate/shield", "--container"])
        self.ask("import", "--change", f"ENTRYPOINT {entry_point}", "-", name, stdin=archive.getvalue())

    def works(self, program: Path) -> bool:
        """Whether containers run here at all: `program` is a static busybox."""
        try:
            self.make("probe", {"/bin/busybox": (program.read_bytes(), 0o555)})
            done = self.podman("run", "--rm", *FLAGS, "--entrypoint", "/bin/busybox", "probe", "true")
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            return False
        self.podman("rmi", "--force", "probe")
        return done.status == 0

    def remove(self, container: str) -> None:
        self.podman("rm", "--force", "--time", "0", container)


@contextmanager
def engine(folder: Path, driver: str = "vfs", user: int | None = None) -> Iterator[Engine]:
    folder.mkdir()
    (folder / "containers.conf").write_text(_CONFIGURATION)
    if user is not None:
        os.chown(folder, user, user)
    state = Path(tempfile.mkdtemp(prefix="cm-"))
    if user is not None:
        os.chown(state, user, user)
    made = Engine(folder, state, driver, user)
    try:
        yield made
    finally:
        if is_there():
            made.podman("rm", "--all", "--force", "--time", "0")
            made.podman("rmi", "--all", "--force")
            if user is not None:
                # Ends the process that keeps that user's namespace.
                made.podman("system", "migrate")
        shutil.rmtree(state, ignore_errors=True)


def shield_arguments(door: Path, *more: str) -> Sequence[str]:
    """What a protected image needs of an engine."""
    return (*FLAGS, "--volume", f"{door}:{SOCKET}", *more)


def children(process: str) -> list[str]:
    """Numbers of a process's children; none of one that is gone."""
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
