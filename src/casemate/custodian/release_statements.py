"""Release statements that admitted a workload, recorded for renewals: each is judged again by the newest policy.

Only what carried a decision is kept, and of it only signatures of the policy's principals: a host can send as many
statements as it likes, and pad each with signatures of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from casemate.custodian.keeper import Change, Put, State
from casemate.custodian.limits_cache import SizedCache
from casemate.custodian.policies_book import key_of
from casemate.errors import StoreTamperedError
from casemate.wire.binding import sha256_text

__all__ = ["Statements"]

_CACHE_BYTES: Final = 8 * 1024 * 1024
"""A hundred of the largest, thousands of usual ones."""


class Statements:
    """Statements by policy and digest."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: SizedCache[str, bytes] = SizedCache(_CACHE_BYTES)

    async def recorded(self, genesis: str, digests: Sequence[str]) -> list[bytes]:
        """What was recorded under each of `digests`."""
        return [await self._recorded(_key(genesis, digest)) for digest in digests]

    def unrecorded(self, genesis: str, statements: Sequence[bytes]) -> list[Change]:
        """What has to be stored so that renewals find `statements`."""
        keys = {_key(genesis, sha256_text(data)): data for data in statements}
        return [Put(key, data) for key, data in keys.items() if self._known.get(key) is None]

    def remember_recorded(self, genesis: str, statements: Sequence[bytes]) -> None:
        for data in statements:
            self._known.put(_key(genesis, sha256_text(data)), data, len(data))

    async def _recorded(self, key: str) -> bytes:
        known = self._known.get(key)
        if known is not None:
            return known
        item = await self._state.get(key)
        if item is None:
            raise StoreTamperedError("a release statement of a lease is missing", step="statements.recorded")
        self._known.put(key, item.value, len(item.value))
        return item.value


def _key(genesis: str, digest: str) -> str:
    return key_of(genesis, f"statements/{digest.removeprefix('sha256:')}")
