"""Making a custodian, and accepting a store that its anchor does not confirm."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keys.identity import IDENTITY_KEY, Identity
from casemate.custodian.keys.master import MASTER_FILE, create_master, open_master
from casemate.custodian.opening import STORE_FILE, open_store
from casemate.custodian.record import AuditEntry
from casemate.custodian.store.sealed import SealedStore
from casemate.custodian.store.sqlite import SqliteStore
from casemate.errors import NotAuthorisedError, StoreError, StoreTamperedError, UsageError
from casemate.policy.rules import satisfied
from casemate.wire import canonical, dsse
from casemate.wire.custodian import RESTORE_TYPE, Board, RestoreStatement, StateReference
from casemate.wire.fields import Model, Sha256, b64u_encode

__all__ = ["INIT_FILE", "RESTORE_FILE", "init", "restore"]

INIT_FILE: Final = "init.json"
RESTORE_FILE: Final = "restore.json"


class _InitRequest(Model):
    """What the host asks for. Whoever pins the identity sees all of it in the genesis record."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    board: Board
    simulation_root: Sha256 | None = None


def init(data: Path, anchor_path: Path, sealing_key: bytes) -> str:
    """Makes keys, genesis, store and anchor; returns one line of JSON with the genesis record.

    The anchor comes last: without it nothing was promised to anybody, and what is left of a crash is made anew.
    """
    request = _request(data)
    if anchor_path.exists():
        raise StoreError("there is a custodian already", step="init.anchor", remedy="use new folders")
    for name in (MASTER_FILE, STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm"):
        (data / name).unlink(missing_ok=True)
    master = create_master(data, sealing_key)
    identity = Identity.create(request.name, request.board, request.simulation_root)
    store = SealedStore.create(SqliteStore(data / STORE_FILE, create=True), master)
    entry = AuditEntry("custodian.created", {"identity": identity.identity})
    store.commit({IDENTITY_KEY: identity.to_bytes()}, [entry], datetime.now(UTC))
    anchor = FileAnchor(anchor_path, master, create=True)
    anchor.write(store.state, running=False)
    anchor.close()
    store.close()
    (data / INIT_FILE).unlink()
    return json.dumps({"genesis": b64u_encode(identity.genesis_bytes), "identity": identity.identity})


def restore(data: Path, anchor_path: Path, sealing_key: bytes, now: datetime) -> str:
    """Goes on from the store as it is, with the board's approval, on record. Returns one line of JSON."""
    master = open_master(data, sealing_key)
    store = open_store(data, master)
    try:
        stored = store.get(IDENTITY_KEY)
        if stored is None:
            raise StoreTamperedError("the store has no identity", step="store.identity")
        identity = Identity.from_bytes(stored.value)
        anchored = _anchored(anchor_path, master)
        statement = _approved(data, identity, store.state, anchored, now)
        facts = {"found": statement.found.to_object(), "reason": statement.reason}
        if anchored is not None:
            facts["anchor"] = anchored.to_object()
        store.commit({}, [AuditEntry("custodian.restored", facts)], now)
        anchor_path.unlink(missing_ok=True)
        anchor = FileAnchor(anchor_path, master, create=True)
        anchor.write(store.state, running=False)
        anchor.close()
    finally:
        store.close()
    return json.dumps({"identity": identity.identity, "restored": statement.found.to_object()})


def _request(data: Path) -> _InitRequest:
    try:
        value = canonical.decode((data / INIT_FILE).read_bytes())
    except OSError as error:
        raise UsageError(f"{INIT_FILE} cannot be read: {error.strerror}", step="init.request") from error
    return canonical.parse_model(_InitRequest, value, what="init")


def _anchored(path: Path, master: bytes) -> StateReference | None:
    """What the anchor says; None where it is lost or does not authenticate."""
    try:
        anchor = FileAnchor(path, master)
    except StoreError:
        return None
    state = anchor.state
    anchor.close()
    return state


def _approved(
    data: Path, identity: Identity, found: StateReference, anchored: StateReference | None, now: datetime
) -> RestoreStatement:
    """The board's statement about exactly this situation."""
    try:
        envelope = canonical.parse_model(
            dsse.Envelope, canonical.decode((data / RESTORE_FILE).read_bytes()), what="restore"
        )
    except OSError as error:
        raise UsageError(f"{RESTORE_FILE} cannot be read: {error.strerror}", step="restore.request") from error
    payload, keys = dsse.open_envelope(envelope, RESTORE_TYPE)
    statement = canonical.parse_model(RestoreStatement, payload, what="restore")
    if statement.custodian != identity.identity:
        raise NotAuthorisedError("signed for another custodian", step="restore.custodian")
    if statement.expires <= now:
        raise NotAuthorisedError("the approval has ended", step="restore.expires", remedy="have it signed again")
    if (statement.found, statement.anchor) != (found, anchored):
        raise NotAuthorisedError(
            "signed for another state of store and anchor",
            step="restore.state",
            expected=str(found.sequence),
            got=str(statement.found.sequence),
            remedy="sign what the custodian prints now",
        )
    board = identity.genesis.board
    if not satisfied(board.rule, board.principals, keys):
        raise NotAuthorisedError("the signatures do not satisfy the board's rule", step="restore.board")
    return statement
