"""redis-server on a sealed volume, append-only and each write flushed: what it acknowledged is there, whoever dies."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from .conftest import Sealed, program

CLIENTS = 4
STARTS_WITHIN = 30


class Redis:
    """One server whose data are on the volume; it listens on a socket outside."""

    def __init__(self, sealed: Sealed) -> None:
        self.socket = sealed.root / "socket"
        self.log = sealed.root / "redis.log"
        line = [
            program("redis-server"), "--port", "0", "--unixsocket", self.socket, "--dir", sealed.mountpoint,
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--logfile", self.log,
        ]  # fmt: skip
        self.process = subprocess.Popen(list(map(str, line)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + STARTS_WITHIN
        while self.ask("PING") != "+PONG":
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def ask(self, command: str) -> str | None:
        """The first line of the answer, or None without one."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.socket))
                connection.sendall(f"{command}\r\n".encode())
                return connection.makefile().readline().strip() or None
            except OSError:
                return None

    def count(self, key: str) -> int:
        """Adds one, for as long as each is acknowledged; how many were."""
        acknowledged = 0
        while (self.ask(f"INCR {key}") or "").startswith(":"):
            acknowledged += 1
        return acknowledged

    def kept(self, key: str) -> int:
        return int((self.ask(f"INCRBY {key} 0") or "").removeprefix(":"))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def started() -> Iterator[list[Redis]]:
    servers: list[Redis] = []
    yield servers
    for server in servers:
        server.end()


@pytest.mark.parametrize("dies", ["redis-server", "the mount"])
def test_nothing_acknowledged_is_lost(sealed: Sealed, started: list[Redis], dies: str) -> None:
    acknowledged = [0] * CLIENTS
    for _ in range(2):
        pid = sealed.mount()["pid"]
        redis = Redis(sealed)
        started.append(redis)

        def write(client: int, redis: Redis = redis) -> None:
            acknowledged[client] += redis.count(f"key-{client}")

        clients = [threading.Thread(target=write, args=(client,)) for client in range(CLIENTS)]
        before = redis.kept("key-0")
        for client in clients:
            client.start()
        while redis.kept("key-0") < before + 100:
            time.sleep(0.01)
        if dies == "the mount":
            sealed.kill(pid)
        redis.end()
        for client in clients:
            client.join()
        sealed.unmount()
    sealed.mount()
    started.append(Redis(sealed))
    kept = [started[-1].kept(f"key-{client}") for client in range(CLIENTS)]
    assert min(acknowledged) > 0
    assert all(has >= told for has, told in zip(kept, acknowledged, strict=True)), (kept, acknowledged)


def test_a_rewritten_log_is_as_good_as_the_long_one(sealed: Sealed, started: list[Redis]) -> None:
    sealed.mount()
    redis = Redis(sealed)
    started.append(redis)
    for number in range(300):
        redis.ask(f"SET key-{number % 10} {number}")
    assert (redis.ask("BGREWRITEAOF") or "").startswith("+")
    while "aof_rewrite_in_progress:1" in _information(redis):
        time.sleep(0.02)
    assert "aof_last_bgrewrite_status:ok" in _information(redis)
    redis.end()
    assert sealed.unmount().returncode == 0
    sealed.mount()
    started.append(Redis(sealed))
    assert [started[-1].kept(f"key-{number}") for number in range(10)] == list(range(290, 300))


def _information(redis: Redis) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.socket))
        connection.sendall(b"INFO persistence\r\nQUIT\r\n")
        return connection.makefile(newline="").read()
