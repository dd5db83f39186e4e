"""Opening a custodian's state: master key, store, anchor, in an order in which nothing is believed too early."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keys.identity import IDENTITY_KEY, Identity
from casemate.custodian.keys.master import open_master
from casemate.custodian.record import AuditEntry
from casemate.custodian.store.sealed import SealedStore
from casemate.custodian.store.sqlite import SqliteStore
from casemate.errors import StoreRolledBackError, StoreTamperedError
from casemate.wire.custodian import StateReference

__all__ = ["STORE_FILE", "Opened", "UnconfirmedError", "open_anchor", "open_identity", "open_state", "open_store",
           "resume"]  # fmt: skip

STORE_FILE: Final = "store.sqlite3"


class UnconfirmedError(StoreRolledBackError):
    """The anchor does not confirm the store. `report` is what the board has to sign, as JSON (spec, "Restore")."""

    def __init__(self, reason: StoreRolledBackError, found: StateReference, anchor: StateReference | None) -> None:
        super().__init__(
            reason.message, step=reason.step, expected=reason.expected, got=reason.got, remedy=reason.remedy
        )
        known = {} if anchor is None else {"anchor": anchor.to_object()}
        self.report = json.dumps({"found": found.to_object(), **known})


@dataclass(frozen=True)
class Opened:
    engine: Engine
    identity: Identity


def open_state(data: Path, anchor_path: Path, sealing_key: bytes, clock: Callable[[], float] = time.time) -> Opened:
    """The state as it was acknowledged last, ready for use.

    `StoreKeyError`, `StoreTamperedError`, `StoreRolledBackError` (with a report: `UnconfirmedError`),
    `StoreLockedError`, `StoreError`.
    """
    with ExitStack() as undo:
        # 1. The master key: only this runtime with this manifest on this machine gets it.
        master = open_master(data, sealing_key)
        # 2. The store: every row authenticates, and all of them add up to the head.
        store = open_store(data, master)
        undo.callback(store.close)
        # 3. The anchor: it authenticates.
        try:
            anchor = open_anchor(anchor_path, master)
        except StoreRolledBackError as error:
            raise UnconfirmedError(error, store.state, None) from error
        undo.callback(anchor.close)
        opened = resume(store, anchor, clock)
        undo.pop_all()
        return opened


def resume(store: SealedStore, anchor: FileAnchor, clock: Callable[[], float] = time.time) -> Opened:
    """The rest of `open_state`, over a store and an anchor that authenticate."""
    # 4. The store's head is the newest that anybody was told of.
    _check_fresh(store, anchor)
    identity = open_identity(store)
    # 5. From now on the anchor says that somebody writes.
    anchor.write(store.state, running=True)
    engine = Engine(store, anchor, clock)
    engine.record(AuditEntry("custodian.started", {"sequence": store.state.sequence}))
    return Opened(engine, identity)


def open_store(data: Path, master: bytes) -> SealedStore:
    raw = SqliteStore(data / STORE_FILE)
    try:
        return SealedStore.open(raw, master)
    except BaseException:
        raw.close()
        raise


def open_anchor(path: Path, master: bytes) -> FileAnchor:
    """`StoreRolledBackError` where it is lost or not ours; then only the board can say that the store is the newest."""
    try:
        return FileAnchor(path, master)
    except StoreTamperedError as error:
        raise StoreRolledBackError(error.message, step=error.step, got=path.name, remedy=error.remedy) from error


def open_identity(store: SealedStore) -> Identity:
    stored = store.get(IDENTITY_KEY)
    if stored is None:
        raise StoreTamperedError("the store has no identity", step="store.identity")
    return Identity.from_bytes(stored.value)


def _check_fresh(store: SealedStore, anchor: FileAnchor) -> None:
    """The anchor names this state, or the one before: then a commit crashed before it was anchored or acknowledged."""
    anchored, state = anchor.state, store.state
    if _same(anchored, state):
        return
    if _same(anchored, store.previous) and not anchor.stopped_cleanly:
        return
    older = state.sequence < anchored.sequence
    reason = StoreRolledBackError(
        f"the store is {'older than' if older else 'another than'} its anchor says: somebody put back an old one",
        step="anchor.state",
        expected=f"sequence {anchored.sequence}",
        got=f"sequence {state.sequence}",
        remedy="put back the newest database; or have the board accept this one: casemate custodian restore",
    )
    raise UnconfirmedError(reason, state, anchored)


def _same(one: StateReference, other: StateReference) -> bool:
    return one.sequence == other.sequence and hmac.compare_digest(one.state, other.state)
