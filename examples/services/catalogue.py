"""All examples, by name."""

from __future__ import annotations

from typing import Final

from examples.services import busybox, flask, java, mariadb, memcached, nginx, node, postgresql, pyspark, redis

__all__ = ["SERVICES"]

SERVICES: Final = {
    one.SERVICE.name: one.SERVICE
    for one in (redis, memcached, busybox, postgresql, nginx, flask, node, java, mariadb, pyspark)
}
