"""A sealed store over memory that tests tamper with, and both kinds of store under one name."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casemate.custodian.record import AuditEntry
from casemate.custodian.store.interface import Store
from casemate.custodian.store.sealed import SealedStore
from casemate.custodian.store.sqlite import SqliteStore
from casemate.testing.memory_store import MemoryStore

MASTER = bytes(range(32))
NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """What both promise, both are asked for."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store", create=True)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def raw() -> MemoryStore:
    """Three commits of a custodian's life: two rows, one of them changed since, and three entries of the log."""
    memory = MemoryStore()
    sealed = SealedStore.create(memory, MASTER)
    for number in (1, 2, 3):
        writes = {f"only/{number}": b"once", "changed": b"value %d" % number}
        sealed.commit(writes, [AuditEntry("test", {"number": number})], NOW)
    return memory


def reopen(memory: MemoryStore) -> SealedStore:
    return SealedStore.open(memory, MASTER)


def commit(sealed: SealedStore, **writes: bytes | None) -> int:
    return sealed.commit(writes, [AuditEntry("test")], NOW)


@contextmanager
def files_of_at_most(limit: int) -> Iterator[None]:
    """A disk that is full as soon as a file has `limit` bytes; of a write across that it takes a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
