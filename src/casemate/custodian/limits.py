"""Limits on how much is asked: rates for each client and in total, and how much is in the house at once.

Everything here is memory of one worker, bounded, and cheap enough to come before any cryptography.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from casemate.custodian.problems import Refusal
from casemate.custodian.settings import ATTESTATION_BODY_LIMIT, BODY_LIMIT, Rate, Settings

__all__ = ["MAX_CLIENTS", "Buckets", "Gate", "Limits", "Reservation", "RouteClass", "classify"]

MAX_CLIENTS: Final = 8192
"""Addresses remembered for each class of routes; the one not seen for longest is forgotten (it gets a full bucket)."""

_BUSY_RETRY: Final = 1
"""Seconds after which a refused client may come back: the queue is milliseconds long."""


@dataclass(frozen=True, slots=True)
class RouteClass:
    """Routes that share limits. `rate` names the pair of settings, None where probes must always get through. Only
    where it is not `signed` may a request come without a signature.
    """

    rate: str | None
    body_limit: int
    signed: bool = True


_PROBE: Final = RouteClass(None, 0, signed=False)
_PUBLIC: Final = RouteClass("other", 0, signed=False)
_CHALLENGES: Final = RouteClass("challenges", BODY_LIMIT)
_ATTESTATIONS: Final = RouteClass("attestations", ATTESTATION_BODY_LIMIT)
_SELF_ATTESTATION: Final = RouteClass("attestations", BODY_LIMIT)
_POLICIES: Final = RouteClass("policies", BODY_LIMIT)
_VOLUMES: Final = RouteClass("volumes", BODY_LIMIT)
_OTHER: Final = RouteClass("other", BODY_LIMIT)
_EXACT: Final = {
    "/healthz": _PROBE,
    "/readyz": _PROBE,
    "/metrics": _PROBE,
    "/v1/jwks": _PUBLIC,
    "/v1/challenges": _CHALLENGES,
    "/v1/attestations": _ATTESTATIONS,
    "/v1/custodian/attestation": _SELF_ATTESTATION,
}


def classify(path: str) -> RouteClass:
    """The limits of a path, known before a byte of the body is read."""
    found = _EXACT.get(path)
    if found is not None:
        return found
    if path.startswith("/v1/leases/") and "/volumes/" in path:
        return _VOLUMES
    return _POLICIES if path.startswith("/v1/policies") else _OTHER


class Buckets:
    """One token bucket a client and one for all; `take` refuses with the seconds until the next token."""

    def __init__(self, per_client: Rate, total: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_client = per_client
        self._total = total
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._all = (float(total.burst), clock())

    def take(self, address: str) -> None:
        """`Refusal` `rate.limited` when `address` or everybody together asked too often."""
        now = self._clock()
        client = _client_of(address)
        mine = _refilled(self._clients.get(client), self._per_client, now)
        everybody = _refilled(self._all, self._total, now)
        self._all = (everybody, now)
        short, rate = (mine, self._per_client) if mine < 1 else (everybody, self._total)
        if short < 1:
            raise Refusal("rate.limited", retry_after=max(1, round((1 - short) / rate.per_second)))
        self._remember(client, (mine - 1, now))
        self._all = (everybody - 1, now)

    def _remember(self, client: str, bucket: tuple[float, float]) -> None:
        self._clients[client] = bucket
        self._clients.move_to_end(client)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)


class Gate:
    """Bounds the requests and the bytes that are in the house at once."""

    def __init__(self, max_pending: int, max_bytes: int) -> None:
        self._max_pending = max_pending
        self._max_bytes = max_bytes
        self.pending = 0
        self.bytes = 0

    @contextmanager
    def enter(self) -> Iterator[Reservation]:
        """One request's place; `Refusal` `service.busy` when there is none. Bytes are given back at the end."""
        if self.pending >= self._max_pending:
            raise Refusal("service.busy", retry_after=_BUSY_RETRY)
        self.pending += 1
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.pending -= 1
            self.bytes -= reservation.bytes


class Reservation:
    """Bytes that one request holds."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.bytes = 0

    def grow(self, count: int) -> None:
        if self._gate.bytes + count > self._gate._max_bytes:
            raise Refusal("service.busy", retry_after=_BUSY_RETRY)
        self._gate.bytes += count
        self.bytes += count


class Limits:
    """All limits of one worker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.gate = Gate(settings.max_pending, settings.max_pending_bytes)
        self._buckets = {
            "challenges": Buckets(settings.challenges_per_client, settings.challenges_total, clock),
            "attestations": Buckets(settings.attestations_per_client, settings.attestations_total, clock),
            "policies": Buckets(settings.policies_per_client, settings.policies_total, clock),
            "volumes": Buckets(settings.volumes_per_client, settings.volumes_total, clock),
            "other": Buckets(settings.other_per_client, settings.other_total, clock),
        }

    def take(self, route: RouteClass, address: str) -> None:
        if route.rate is not None:
            self._buckets[route.rate].take(address)


def _refilled(bucket: tuple[float, float] | None, rate: Rate, now: float) -> float:
    if bucket is None:
        return float(rate.burst)
    tokens, at = bucket
    return min(float(rate.burst), tokens + (now - at) * rate.per_second)


def _client_of(address: str) -> str:
    # Whoever has one IPv6 address has the /64 around it.
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:
        return address
