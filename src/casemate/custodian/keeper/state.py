"""The state as routes see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from casemate.custodian.record import AuditEntry

__all__ = ["Change", "Compare", "Delete", "Item", "Put", "State", "Transaction"]


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    value: bytes = field(repr=False)
    revision: int


@dataclass(frozen=True, slots=True)
class Compare:
    """`key` must have this revision; None: must be absent."""

    key: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


Change = Put | Delete


@dataclass(frozen=True, slots=True)
class Transaction:
    """All of it or nothing; `record` goes into the audit log with it."""

    compare: Sequence[Compare]
    changes: Sequence[Change]
    record: AuditEntry | None


class State(Protocol):
    """Reads see what was committed last; a transaction returns when it is durable and anchored. `StoreError`."""

    async def get(self, key: str) -> Item | None: ...

    async def range(self, prefix: str, *, limit: int, after: str | None = None, reverse: bool = False) -> list[Item]:
        """At most `limit`, and fewer of large ones: whoever wants all asks on, `after` the last, until none comes."""

    async def transact(self, compare: Sequence[Compare], changes: Sequence[Change], record: AuditEntry | None) -> int:
        """The revision of what was written; `CompareFailedError`."""

    async def spend(self, nonce: bytes, until: float) -> bool:
        """Whether this nonce is used for the first time. Remembered until `until` (Unix seconds), in memory."""

    async def now(self) -> datetime:
        """The larger of the clock and the stored floor: never before a time that was seen."""
