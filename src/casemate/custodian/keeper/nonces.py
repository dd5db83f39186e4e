"""Nonces that were spent. In memory only: the key that makes nonces dies with the process, and all of them with it."""

from __future__ import annotations

import heapq
from typing import Final

__all__ = ["MAX_NONCES", "Nonces"]

MAX_NONCES: Final = 1_000_000
"""At 60 s that is 16,000 attestations a second. When it is full nothing more is accepted."""


class Nonces:
    def __init__(self) -> None:
        self._spent: set[bytes] = set()
        self._ends: list[tuple[float, bytes]] = []

    def spend(self, nonce: bytes, until: float, now: float) -> bool:
        """Whether `nonce` had not been spent, has not ended, and could be remembered."""
        while self._ends and self._ends[0][0] < now:
            self._spent.discard(heapq.heappop(self._ends)[1])
        if nonce in self._spent or until < now or len(self._spent) >= MAX_NONCES:
            return False
        self._spent.add(nonce)
        heapq.heappush(self._ends, (until, nonce))
        return True
