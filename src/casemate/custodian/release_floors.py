"""Floors of revocation lists: once a newer one was seen, an older one is refused for ever (DESIGN §5).

An attacker who keeps yesterday's list would otherwise hide today's revocation. A list is its authority's word, and the
same for everybody, so all share these floors, and they rise by whatever verified; documents, among which a sender
chooses, have floors of each policy (release_documents.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from pydantic import Field

from casemate.claims import VerifiedClaims
from casemate.custodian.keeper import Compare, Put, State
from casemate.errors import CompareFailedError
from casemate.wire import canonical
from casemate.wire.fields import Model

__all__ = ["FLOORS_KEY", "FRESH_SECONDS", "Floors"]

FLOORS_KEY: Final = "floors/crl"

FRESH_SECONDS: Final = 5.0
"""How long another worker's raise may go unseen; lists change once in weeks."""

_MAX_FLOORS: Final = 1024
"""An authority has one or two, and vendors have few authorities."""

_TRIES: Final = 4


class _Floors(Model):
    """By name (`VerifiedClaims.seen`), the highest number of what verified."""

    numbers: Annotated[dict[str, int], Field(max_length=_MAX_FLOORS)]


class Floors:
    """The highest numbers that verified, each under its name; shared by all workers, kept over restarts."""

    def __init__(self, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._clock = clock
        self._numbers: dict[str, int] = {}
        self._read_at: float | None = None

    async def current(self) -> Mapping[str, int]:
        """What `casemate.attestation` takes as `floors`."""
        if self._read_at is None or self._clock() - self._read_at > FRESH_SECONDS:
            await self._load()
        return self._numbers

    async def raise_to(self, claims: VerifiedClaims) -> None:
        """Remember what endorsed `claims`, where it is newer than all before."""
        if not self._rise(claims.seen):
            return
        for _ in range(_TRIES):
            revision = await self._load()
            raised = {**self._numbers, **self._rise(claims.seen)}
            value = _Floors(numbers=raised).model_dump_json().encode()
            try:
                await self._state.transact([Compare(FLOORS_KEY, revision)], [Put(FLOORS_KEY, value)], None)
            except CompareFailedError:
                continue  # Another worker raised one at the same moment.
            self._numbers = raised
            return

    def _rise(self, seen: Mapping[str, int]) -> dict[str, int]:
        return {name: number for name, number in seen.items() if number > self._numbers.get(name, -1)}

    async def _load(self) -> int | None:
        item = await self._state.get(FLOORS_KEY)
        self._read_at = self._clock()
        if item is None:
            return None
        self._numbers = canonical.parse_model(_Floors, canonical.decode(item.value), what="floors").numbers
        return item.revision
