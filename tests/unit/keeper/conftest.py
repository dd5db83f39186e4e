"""An engine over a store in memory and an anchor in a file, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keeper.state import Change, Compare, Delete, Put, Transaction
from casemate.custodian.record import AuditEntry
from casemate.custodian.store.sealed import SealedStore
from casemate.testing.power import FragileAnchor, FragileStore, Power

MASTER = bytes(range(32))


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Machine:
    """Disks, power and clock outlive the engine."""

    folder: Path
    power: Power
    store: FragileStore
    clock: Clock

    def engine(self) -> Engine:
        sealed = SealedStore.open(self.store, MASTER) if self.store.rows else SealedStore.create(self.store, MASTER)
        path = self.folder / "anchor"
        if not path.exists():
            FileAnchor.create(path, MASTER, sealed.state)
        return Engine(sealed, FragileAnchor(path, MASTER, self.power), self.clock)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    power = Power()
    return Machine(tmp_path, power, FragileStore(power), Clock(1_000_000.0))


@pytest.fixture
def engine(machine: Machine) -> Iterator[Engine]:
    made = machine.engine()
    yield made
    made.close()


def put(*keys: str, record: str | None = None, **compare: int | None) -> Transaction:
    """Writes each of `keys` as its own value; `compare` gives revisions that must hold."""
    changes: list[Change] = [Put(key, key.encode()) for key in keys]
    return Transaction(_compares(compare), changes, AuditEntry(record) if record else None)


def delete(*keys: str, **compare: int | None) -> Transaction:
    return Transaction(_compares(compare), [Delete(key) for key in keys], None)


def _compares(wanted: dict[str, int | None]) -> list[Compare]:
    return [Compare(key, revision) for key, revision in wanted.items()]
