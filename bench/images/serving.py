"""How much real services do when they run in a protected image, beside the same image as it was."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.images.pair import Pair, pair, ratio
from bench.result import Result
from casemate.testing.stage import wait_for
from examples.services import memcached, nginx, postgresql, redis
from examples.services.images import Images
from examples.services.place import Place
from examples.services.running import Running
from examples.services.service import Service

__all__ = ["measure"]

Rates = Mapping[str, float]

_ROUNDS: Final = 5
_GOAL: Final = 0.95


@dataclass(frozen=True)
class _Asked:
    """`rates` asks `service`; `rows` are those of its answers that are shown, with their goals."""

    service: Service
    rates: Callable[[Running], Rates]
    rows: Mapping[str, float | None]


def measure(place: Place, images: Images) -> list[Result]:
    results = []
    for asked in _ASKED:
        both = pair(place, images, asked.service)
        rounds = [_round(both, asked) for _ in range(_ROUNDS)]
        for what, goal in asked.rows.items():
            ratios = [protected[what] / plain[what] for plain, protected in rounds]
            results.append(ratio(f"{asked.service.name}: {what}", ratios, goal=goal))
    return results


def _round(both: Pair, asked: _Asked) -> tuple[Rates, Rates]:
    """One after the other, each with the machine to itself."""
    with both.plain_started() as running:
        plain = asked.rates(running)
    with both.protected_started() as running:
        return plain, asked.rates(running)


def _redis(running: Running) -> Rates:
    """Requests a second, by redis-benchmark."""
    told = _told("redis-benchmark", "-p", str(running.port), "-q", "--csv", "-n", "150000", "-t", "set,get")
    return {name: float(rate) for name, rate in re.findall(r'^"(SET|GET)","([0-9.]+)"', told, re.MULTILINE)}


_KEYS: Final = 100
_BATCHES: Final = 3000
_VALUE: Final = b"v" * 100


def _memcached(running: Running) -> Rates:
    """Values a second, in batches, so that the server has more to do than its client."""
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        for key in range(_KEYS):
            connection.sendall(b"set k%d 0 0 %d\r\n%s\r\n" % (key, len(_VALUE), _VALUE))
            assert connection.recv(100) == b"STORED\r\n"
        batch = b"get " + b" ".join(b"k%d" % key for key in range(_KEYS)) + b"\r\n"
        values = (b"VALUE k%d 0 %d\r\n%s\r\n" % (key, len(_VALUE), _VALUE) for key in range(_KEYS))
        answer = bytearray(len(b"".join(values)) + len(b"END\r\n"))
        began = time.perf_counter()
        for _ in range(_BATCHES):
            connection.sendall(batch)
            connection.recv_into(answer, flags=socket.MSG_WAITALL)
        return {"get": _BATCHES * _KEYS / (time.perf_counter() - began)}


def _nginx(running: Running) -> Rates:
    """Pages a second, by wrk."""
    told = _told(
        "wrk", "--threads", "1", "--connections", "32", "--duration", "5s", f"http://127.0.0.1:{running.port}/"
    )
    return {"pages": float(_found(r"Requests/sec:\s+([0-9.]+)", told))}


def _postgresql(running: Running) -> Rates:
    """Transactions a second, by pgbench; the cluster was just made."""
    at = f"host=127.0.0.1 port={running.port} user=postgres dbname=postgres password={postgresql.PASSWORD}"
    wait_for("PostgreSQL", lambda: running.try_client("pg_isready", "--quiet", "--dbname", at).status == 0, seconds=60)
    running.client("pgbench", "--initialize", "--quiet", "--scale=5", at)
    run = ("pgbench", "--client=4", "--jobs=1", "--time=5")
    told = {"reads": running.client(*run, "--select-only", at), "writes": running.client(*run, at)}
    return {name: float(_found(r"tps = ([0-9.]+)", words)) for name, words in told.items()}


def _told(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"bench: {pattern} is not in {text}")
    return found[1]


_ASKED: Final = (
    _Asked(redis.SERVICE, _redis, {"SET": _GOAL, "GET": _GOAL}),
    _Asked(memcached.SERVICE, _memcached, {"get": _GOAL}),
    _Asked(nginx.SERVICE, _nginx, {"pages": _GOAL}),
    # Writes go to a strict sealed volume in the one, to the host's cache and its disk in the other.
    _Asked(postgresql.SERVICE, _postgresql, {"reads": _GOAL, "writes": None}),
)
