"""The state in the keeper's own process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keeper.state import Change, Compare, Item, Transaction
from casemate.custodian.record import AuditEntry

__all__ = ["LocalState"]


class LocalState:
    """A `State` over an engine that nobody else uses at the same moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, key: str) -> Item | None:
        return self._engine.get(key)

    async def range(self, prefix: str, *, limit: int, after: str | None = None, reverse: bool = False) -> list[Item]:
        return self._engine.range(prefix, limit=limit, after=after, reverse=reverse)

    async def transact(self, compare: Sequence[Compare], changes: Sequence[Change], record: AuditEntry | None) -> int:
        (result,) = self._engine.apply([Transaction(compare, changes, record)])
        if not isinstance(result, int):
            raise result
        return result

    async def spend(self, nonce: bytes, until: float) -> bool:
        return self._engine.spend(nonce, until)

    async def now(self) -> datetime:
        return datetime.fromtimestamp(self._engine.now(), UTC)
