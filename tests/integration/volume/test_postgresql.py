"""PostgreSQL on a sealed volume: its own benchmark, and recovery after the server's end and after the mount's."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Sealed

STARTS_WITHIN = 30
# On the command line: a file of settings that nobody flushed would be another one after the mount died.
SETTINGS = (
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "wal_sync_method=fdatasync",
    "min_wal_size=32MB",
    "max_wal_size=64MB",
    "shared_buffers=16MB",
    "restart_after_crash=off",
)
CONSISTENT = """
SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history)
   AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history)
   AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history)
"""


def _programs() -> Path:
    """Debian keeps them out of PATH, one folder a version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    beside = shutil.which("initdb")
    if found:
        return found[-1].parent
    if beside and shutil.which("pgbench"):
        return Path(beside).parent
    pytest.skip("PostgreSQL is not installed")


def _user() -> str:
    """PostgreSQL refuses to be root."""
    if os.getuid():
        return pwd.getpwuid(os.getuid()).pw_name
    return max(entry.pw_name for entry in pwd.getpwall() if entry.pw_name in {"postgres", "nobody"})


class Cluster:
    """One PostgreSQL whose files are all on the volume, and whose socket is not."""

    def __init__(self, sealed: Sealed) -> None:
        self.sealed, self.programs, self.user = sealed, _programs(), _user()
        self.server: subprocess.Popen[bytes] | None = None
        self.socket, self.log = sealed.root / "socket", sealed.root / "log"
        self.socket.mkdir()
        self.data = sealed.mountpoint / "cluster"
        self.mounted = self.mount()
        sealed.mountpoint.chmod(0o755)
        self.data.mkdir(0o700)
        if os.getuid() == 0:
            for folder in (self.socket, self.data):
                shutil.chown(folder, self.user)
        self("initdb", "-D", self.data, "--auth=trust", "--username=owner", "--no-instructions")
        self.start()

    def mount(self) -> int:
        """For all users where only root may mount; the process that serves it."""
        pid: int = self.sealed.mount(*(["--shared"] if os.getuid() == 0 else []))["pid"]
        return pid

    def __call__(self, program: str, *arguments: object, stdin: str = "") -> str:
        done = self.run(program, *arguments, stdin=stdin)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, program: str, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._line(program, *arguments), env=self._environment(), cwd="/", input=stdin, user=self._id(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def spawn(self, program: str, *arguments: object) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._line(program, *arguments), env=self._environment(), cwd="/", user=self._id(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        """Starts the server, and waits until it recovered."""
        settings = (*SETTINGS, f"unix_socket_directories={self.socket}")
        self.server = self.spawn("postgres", "-D", self.data, *(f"--{setting}" for setting in settings))
        end = time.monotonic() + STARTS_WITHIN
        while (asked := self.run("pg_isready", "-d", "postgres")).returncode:
            assert self.server.poll() is None, self.log.read_text()
            assert time.monotonic() < end, asked.stdout + asked.stderr + self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """The server and all that it started, at once."""
        server = self.server
        assert server is not None
        for process in [server.pid, *_children(server.pid)]:
            _signal(process, signal.SIGKILL)
        server.communicate()

    def query(self, sql: str) -> str:
        return self("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "postgres", stdin=sql).strip()

    def _line(self, program: str, *arguments: object) -> list[str]:
        return [str(self.programs / program), *map(str, arguments)]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGHOST": str(self.socket), "PGUSER": "owner"}

    def _id(self) -> int | None:
        return None if os.getuid() else pwd.getpwnam(self.user).pw_uid


def _children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


@pytest.fixture
def cluster(open_to_all: Sealed) -> Iterator[Cluster]:
    made = Cluster(open_to_all)
    yield made
    made.kill()


def test_its_benchmark_runs_and_its_books_balance(cluster: Cluster) -> None:
    cluster("pgbench", "--initialize", "--quiet", "postgres")
    told = cluster("pgbench", "--client=4", "--transactions=50", "--no-vacuum", "postgres")
    assert "transactions actually processed: 200/200" in told
    assert cluster.query(CONSISTENT) == "t"
    cluster.query("VACUUM FULL; REINDEX DATABASE postgres; CHECKPOINT;")
    assert cluster.query("SELECT count(*) FROM pgbench_history") == "200"
    cluster.kill()
    assert cluster.sealed.unmount().returncode == 0
    cluster.mounted = cluster.mount()
    cluster.start()
    assert cluster.query(CONSISTENT) == "t"
    assert cluster.query("SELECT count(*) FROM pgbench_history") == "200"


@pytest.mark.parametrize("dies", ["the server", "the mount"])
def test_nothing_committed_is_lost(cluster: Cluster, dies: str) -> None:
    cluster("pgbench", "--initialize", "--quiet", "postgres")
    cluster.query("CREATE TABLE entries (number integer PRIMARY KEY)")
    others = cluster.spawn("pgbench", "--client=3", "--time=60", "--no-vacuum", "postgres")
    writer = cluster.spawn("psql", "-qAtX", "postgres")
    assert writer.stdin is not None
    assert writer.stdout is not None
    committed = 0
    for number in range(150):
        writer.stdin.write(f"INSERT INTO entries VALUES ({number}) RETURNING number;\n".encode())
        writer.stdin.flush()
        committed += int(writer.stdout.readline()) == number
    if dies == "the mount":
        cluster.sealed.kill(cluster.mounted)
    cluster.kill()
    for client in (others, writer):
        _signal(client.pid, signal.SIGKILL)
        client.communicate()
    cluster.sealed.unmount()
    cluster.mounted = cluster.mount()
    cluster.start()
    assert (committed, cluster.query("SELECT count(*) FROM entries")) == (150, "150")
    assert cluster.query(CONSISTENT) == "t"
    assert int(cluster.query("SELECT count(*) FROM pgbench_history")) > 0
