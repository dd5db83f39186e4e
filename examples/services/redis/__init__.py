"""Debian's redis-server, used by redis-cli and redis-benchmark."""

from __future__ import annotations

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_KEY, _VALUE = "patient:4711", "ward 7, bed 2: to be discharged"


def _use(redis: Running) -> None:
    client = ("redis-cli", "-p", str(redis.port))
    expect("SET", redis.client(*client, "SET", _KEY, _VALUE), "OK")
    expect("GET", redis.client(*client, "GET", _KEY), _VALUE)
    # Written to its working directory, by a child that it forks.
    expect("SAVE", redis.client(*client, "SAVE"), "OK")
    redis.client("redis-benchmark", "-p", str(redis.port), "-q", "-n", "2000", "-t", "set,get")
    expect("DBSIZE", int(redis.client(*client, "DBSIZE")) >= 2, True)


SERVICE = Service(
    "redis",
    _use,
    hidden=(b"redis-check-rdb", b"Package: redis-tools", b"save 3600 1 300 100 60 10000"),
    written=(_KEY.encode(), _VALUE.encode()),
)
