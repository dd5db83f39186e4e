"""What the keeper does, without any processes: batches of transactions, nonces, time.

A batch is one commit of the store and one write of the anchor: that is the group commit. After a failure between the
two the engine takes and tells nothing more: the store is one step ahead of what was acknowledged, and opening it anew
settles that. So it does once the store turns out to be tampered with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.nonces import Nonces
from casemate.custodian.keeper.state import Change, Delete, Item, Put, Transaction
from casemate.custodian.record import AuditEntry, ChainReader
from casemate.custodian.store.sealed import SealedStore, Value
from casemate.errors import CompareFailedError, InputError, StoreError, StoreTamperedError

__all__ = ["FLOOR_KEY", "FLOOR_SECONDS", "MAX_BATCH", "Engine"]

FLOOR_KEY: Final = "clock/floor"
MAX_BATCH: Final = 256
"""Transactions of one commit; more would make the first of them wait."""

FLOOR_SECONDS: Final = 30.0
"""That the stored floor may lag behind the clock."""

_LOG_PAGE: Final = 32
"""Entries of the audit log that are read at once while others wait: a few milliseconds."""

_Result = int | StoreError
_T = TypeVar("_T")


class Engine:
    """`anchor` None is for tests of what does not depend on it."""

    def __init__(self, store: SealedStore, anchor: FileAnchor | None, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._anchor = anchor
        self._clock = clock
        self._nonces = Nonces()
        floor = store.get(FLOOR_KEY)
        self._floor = float(floor.value) if floor else 0.0
        self._stored_floor = self._floor
        self._failed: StoreError | None = None

    @property
    def store(self) -> SealedStore:
        return self._store

    @property
    def failed(self) -> StoreError | None:
        """Why nothing is answered any more."""
        return self._failed

    def now(self) -> float:
        """Unix seconds; never before a time that this custodian has seen (of earlier lives: but for 30 s)."""
        self._floor = max(self._floor, self._clock())
        return self._floor

    def get(self, key: str) -> Item | None:
        value = self._reading(lambda: self._store.get(key))
        return None if value is None else _item(value)

    def range(self, prefix: str, *, limit: int, after: str | None, reverse: bool) -> list[Item]:
        values = self._reading(lambda: self._store.range(prefix, limit=limit, after=after, reverse=reverse))
        return [_item(value) for value in values]

    def read_log(self, reader: ChainReader) -> bool:
        """Verifies some more of the audit log; whether there is more to come."""
        return bool(self._reading(lambda: self._store.read_log(reader, limit=_LOG_PAGE)))

    def spend(self, nonce: bytes, until: float) -> bool:
        return self._reading(lambda: self._nonces.spend(nonce, until, self.now()))

    def apply(self, batch: Sequence[Transaction]) -> list[_Result]:
        """For each transaction its revision or its error, in order. Later ones see what earlier ones wrote."""
        if self._failed is not None:
            return [self._failed for _ in batch]
        writes: dict[str, bytes | None] = {}
        entries: list[AuditEntry] = []
        results: list[_Result] = []
        sequence = self._store.state.sequence + 1
        for transaction in batch:
            failed = self._first_difference(transaction, writes, sequence)
            if failed is not None:
                results.append(CompareFailedError(failed))
                continue
            for change in transaction.changes:
                writes[change.key] = None if isinstance(change, Delete) else change.value
            if transaction.record is not None:
                entries.append(transaction.record)
            results.append(sequence)
        if not writes and not entries:
            # Compares alone: what they saw is durable already.
            return [self._store.state.sequence if isinstance(result, int) else result for result in results]
        return self._commit(writes, entries, results)

    def record(self, entry: AuditEntry) -> None:
        """Something that the custodian itself did. `StoreError`."""
        self._must(Transaction([], [], entry))

    def keep(self, changes: Sequence[Change]) -> None:
        """What the custodian keeps for itself, without a word in the log. `StoreError`."""
        self._must(Transaction([], changes, None))

    def keep_time(self) -> None:
        """Stores the floor where it lags: a custodian that decides nothing sees time all the same. `StoreError`."""
        if self._floor_lags(self.now()):
            self.keep([Put(FLOOR_KEY, _text(self.now()))])

    def stop(self) -> None:
        """A clean end: the anchor says that nothing was under way. `StoreError` where it cannot be made clean."""
        try:
            # A commit that failed before may yet lie on the disk; after this one it does not.
            self.record(AuditEntry("custodian.stopped"))
            if self._anchor is not None:
                self._anchor.write(self._store.state, running=False)
        finally:
            self.close()

    def close(self) -> None:
        """An end without a word to the anchor."""
        if self._anchor is not None:
            self._anchor.close()
        self._store.close()

    def _must(self, transaction: Transaction) -> None:
        (result,) = self.apply([transaction])
        if not isinstance(result, int):
            raise result

    def _reading(self, read: Callable[[], _T]) -> _T:
        if self._failed is not None:
            raise self._failed
        try:
            return read()
        except StoreTamperedError as error:
            self._failed = error
            raise

    def _first_difference(self, transaction: Transaction, writes: dict[str, bytes | None], sequence: int) -> str | None:
        for compare in transaction.compare:
            if compare.key in writes:
                revision = None if writes[compare.key] is None else sequence
            else:
                revision = self._store.revision(compare.key)
            if revision != compare.revision:
                return compare.key
        return None

    def _commit(
        self, writes: dict[str, bytes | None], entries: list[AuditEntry], results: list[_Result]
    ) -> list[_Result]:
        now = self.now()
        if self._floor_lags(now):
            writes = {**writes, FLOOR_KEY: _text(now)}
        try:
            self._store.commit(writes, entries, datetime.fromtimestamp(now, UTC))
        except StoreTamperedError as error:
            return self._fail(error, results)
        except StoreError as error:
            return [error for _ in results]
        except InputError as error:
            refused = StoreError(f"this cannot be recorded: {error.message}", step="record.entry")
            return [refused for _ in results]
        try:
            if self._anchor is not None:
                self._anchor.write(self._store.state, running=True)
        except StoreError as error:
            return self._fail(error, results)
        if FLOOR_KEY in writes:
            self._stored_floor = now
        return results

    def _floor_lags(self, now: float) -> bool:
        return now - self._stored_floor >= FLOOR_SECONDS

    def _fail(self, error: StoreError, results: list[_Result]) -> list[_Result]:
        self._failed = error
        return [error for _ in results]


def _text(moment: float) -> bytes:
    return repr(moment).encode()


def _item(value: Value) -> Item:
    return Item(value.key, value.value, value.revision)
