"""The custodian's parts in this process: everything real but the disk and the clock, which tests move."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian.keeper import AuditEntry, Change, Compare, Engine, Item, LocalState
from casemate.custodian.keys import Identity, Instance, issue_instance
from casemate.custodian.store.interface import Write
from casemate.custodian.store.sealed import SealedStore
from casemate.errors import StoreError
from casemate.testing.memory_store import MemoryStore
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import Board
from casemate.wire.rules import AnyRule, Principal


class Clock:
    """The real time and what a test adds to it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class FarState(LocalState):
    """As far away as the keeper is from a worker: whoever asks lets the others go first.

    With `together`, nobody's transaction is handed in before so many others' are.
    """

    together: asyncio.Barrier | None = None

    async def get(self, key: str) -> Item | None:
        await asyncio.sleep(0)
        return await super().get(key)

    async def transact(self, compare: Sequence[Compare], changes: Sequence[Change], record: AuditEntry | None) -> int:
        await asyncio.sleep(0)
        if self.together is not None:
            await self.together.wait()
        return await super().transact(compare, changes, record)


class FailingStore(MemoryStore):
    """A disk that can be full."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_writes = False

    def transaction(
        self, compare: Sequence[tuple[str, int | None]], writes: Sequence[Write], log: Sequence[bytes], revision: int
    ) -> bool:
        if self.fail_writes:
            raise StoreError("the disk is full", step="store.write")
        return super().transaction(compare, writes, log, revision)


@dataclass
class CustodianParts:
    state: FarState
    store: FailingStore
    sealed: SealedStore
    clock: Clock
    identity: Identity
    instance: Instance


def make_parts(simulation_root: str) -> CustodianParts:
    clock, store = Clock(), FailingStore()
    member = signing_key_text(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    board = Board(principals={"operator": Principal(key=member)}, rule=AnyRule.model_validate({"any": ["operator"]}))
    identity = Identity.create("test", board, simulation_root)
    sealed = SealedStore.create(store, os.urandom(32))
    instance = Instance(issue_instance(identity, datetime.fromtimestamp(clock(), UTC)))
    return CustodianParts(FarState(Engine(sealed, None, clock)), store, sealed, clock, identity, instance)
