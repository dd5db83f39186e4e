"""Opening a custodian's state: master key, store, anchor, in an order in which nothing is believed too early."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keys.identity import IDENTITY_KEY, Identity
from casemate.custodian.keys.master import open_master
from casemate.custodian.record import AuditEntry
from casemate.custodian.store.sealed import SealedStore
from casemate.custodian.store.sqlite import SqliteStore
from casemate.errors import StoreError, StoreRolledBackError, StoreTamperedError
from casemate.wire.custodian import StateReference

__all__ = ["STORE_FILE", "Opened", "open_state", "open_store", "state_report"]

STORE_FILE: Final = "store.sqlite3"


@dataclass(frozen=True)
class Opened:
    engine: Engine
    identity: Identity


def open_state(data: Path, anchor_path: Path, sealing_key: bytes, clock: Callable[[], float] = time.time) -> Opened:
    """The state as it was acknowledged last, ready for use.

    `StoreKeyError`, `StoreTamperedError`, `StoreRolledBackError`, `StoreLockedError`, `StoreError`.
    """
    # 1. The master key: only this runtime with this manifest on this machine gets it.
    master = open_master(data, sealing_key)
    # 2. The store: every row authenticates, and all of them add up to the head.
    store = open_store(data, master)
    try:
        # 3. The anchor: the head is the newest that anybody was told of.
        anchor = FileAnchor(anchor_path, master)
        _check_fresh(store, anchor)
        identity = _identity(store)
        # 4. From now on the anchor says that somebody writes.
        anchor.write(store.state, running=True)
    except StoreError:
        store.close()
        raise
    engine = Engine(store, anchor, clock)
    _record_start(store, anchor, engine)
    return Opened(engine, identity)


def open_store(data: Path, master: bytes) -> SealedStore:
    raw = SqliteStore(data / STORE_FILE)
    try:
        return SealedStore.open(raw, master)
    except StoreError:
        raw.close()
        raise


def state_report(found: StateReference, anchor: StateReference | None) -> str:
    """What `casemate custodian restore` wants to know, as one line of JSON."""
    report: dict[str, object] = {"found": found.to_object()}
    if anchor is not None:
        report["anchor"] = anchor.to_object()
    return json.dumps(report)


def _check_fresh(store: SealedStore, anchor: FileAnchor) -> None:
    """The anchor names this state, or the one before: then a commit crashed before it was anchored or acknowledged."""
    anchored, state = anchor.state, store.state
    if _same(anchored, state):
        return
    if _same(anchored, store.previous) and not anchor.stopped_cleanly:
        return
    older = state.sequence < anchored.sequence
    raise StoreRolledBackError(
        f"the store is {'older than' if older else 'another than'} its anchor says: somebody put back an old one",
        step="anchor.state",
        expected=f"sequence {anchored.sequence}",
        got=f"sequence {state.sequence}",
        remedy="put back the newest database; or have the board accept this one: casemate custodian restore. "
        + state_report(state, anchored),
    )


def _same(one: StateReference, other: StateReference) -> bool:
    return one.sequence == other.sequence and hmac.compare_digest(one.state, other.state)


def _identity(store: SealedStore) -> Identity:
    stored = store.get(IDENTITY_KEY)
    if stored is None:
        raise StoreTamperedError("the store has no identity", step="store.identity")
    return Identity.from_bytes(stored.value)


def _record_start(store: SealedStore, anchor: FileAnchor, engine: Engine) -> None:
    entry = AuditEntry("custodian.started", {"sequence": store.state.sequence})
    store.commit({}, [entry], datetime.fromtimestamp(engine.now(), UTC))
    anchor.write(store.state, running=True)
