"""Making a custodian, and accepting a store that its anchor does not confirm."""

from __future__ import annotations

import json
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field

from casemate.custodian import host_files
from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keys.identity import IDENTITY_KEY, Identity
from casemate.custodian.keys.master import create_master, open_master
from casemate.custodian.opening import STORE_FILE, open_anchor, open_identity, open_store
from casemate.custodian.record import AuditEntry
from casemate.custodian.store.sealed import SealedStore
from casemate.custodian.store.sqlite import SqliteStore
from casemate.errors import NotAuthorisedError, StoreError, StoreRolledBackError, UsageError
from casemate.policy.rules import check_board, satisfied
from casemate.wire import canonical, dsse
from casemate.wire.custodian import RESTORE_TYPE, Board, RestoreStatement, StateReference
from casemate.wire.fields import Model, Sha256, b64u_encode

__all__ = ["INIT_FILE", "RESTORE_FILE", "init", "restore"]

INIT_FILE: Final = "init.json"
RESTORE_FILE: Final = "restore.json"
_MAKING: Final = f"{STORE_FILE}.new"
_FIRST: Final = 1
"""Sequence of a store that was made and has never served."""

_REQUEST_LIMIT: Final = 1024 * 1024
"""Bytes of what the host asks for: a board, or an envelope with its signatures."""


M = TypeVar("M", bound=Model)


class _InitRequest(Model):
    """What the host asks for. Whoever pins the identity sees all of it in the genesis record."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    board: Board
    simulation_root: Sha256 | None = None
    container_simulation_root: Sha256 | None = None


def init(data: Path, anchor_path: Path, sealing_key: bytes) -> str:
    """Makes keys, genesis, store and anchor; returns one line of JSON with the genesis record.

    The anchor comes last: without it nothing was promised to anybody, and what is left of a crash is made anew.
    """
    request = _parsed(_InitRequest, data / INIT_FILE, what="init")
    check_board(request.board)
    if host_files.exists(anchor_path):
        raise _occupied("init.anchor")
    _clear(data, sealing_key)
    master = create_master(data, sealing_key)
    identity = Identity.create(request.name, request.board, request.simulation_root, request.container_simulation_root)
    state = _first_store(data, master, identity)
    FileAnchor.create(anchor_path, master, state)
    (data / INIT_FILE).unlink(missing_ok=True)
    return json.dumps({"genesis": b64u_encode(identity.genesis_bytes), "identity": identity.identity})


def restore(data: Path, anchor_path: Path, sealing_key: bytes, now: datetime) -> str:
    """Goes on from the store as it is, with the board's approval, on record. Returns one line of JSON."""
    master = open_master(data, sealing_key)
    with ExitStack() as opened:
        store = open_store(data, master)
        opened.callback(store.close)
        anchored = _anchored(anchor_path, master)
        # An approval that ended has ended, whatever the host's clock says by now.
        now = max(now, datetime.fromtimestamp(Engine(store, None).now(), UTC))
        identity = open_identity(store)
        statement = _approved(data, identity, store.state, anchored, now)
        # What the board accepts is whole, to the first entry of its record.
        deque(store.audit(), maxlen=0)
        facts = {"found": statement.found.to_object(), "reason": statement.reason}
        if anchored is not None:
            facts["anchor"] = anchored.to_object()
        store.commit({}, [AuditEntry("custodian.restored", facts)], now)
        _replace_anchor(anchor_path, master, store.state)
    return json.dumps({"identity": identity.identity, "restored": statement.found.to_object()})


def _clear(data: Path, sealing_key: bytes) -> None:
    """Removes what a crash left of a custodian that was never finished, and nothing else. `StoreError`."""
    if host_files.exists(data / STORE_FILE):
        try:
            store = open_store(data, open_master(data, sealing_key))
        except StoreError as error:
            raise _occupied("init.store") from error
        served = store.state.sequence > _FIRST
        store.close()
        if served:
            raise _occupied("init.store")
    try:
        for name in (STORE_FILE, _MAKING, f"{_MAKING}-wal", f"{_MAKING}-journal"):
            (data / name).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"the data folder cannot be used: {error.strerror}", step="init.store") from error


def _occupied(step: str) -> StoreError:
    return StoreError("there is a custodian already", step=step, remedy="use new folders")


def _first_store(data: Path, master: bytes, identity: Identity) -> StateReference:
    """Made beside its place, so that a store in its place is always whole."""
    store = SealedStore.create(SqliteStore(data / _MAKING, create=True), master)
    try:
        entry = AuditEntry("custodian.created", {"identity": identity.identity})
        store.commit({IDENTITY_KEY: identity.to_bytes()}, [entry], datetime.now(UTC))
        state = store.state
    finally:
        store.close()
    try:
        (data / _MAKING).rename(data / STORE_FILE)
        (data / f"{_MAKING}.lock").unlink(missing_ok=True)
        host_files.sync_folder(data)
    except OSError as error:
        raise StoreError(f"the store cannot be put in its place: {error.strerror}", step="init.store") from error
    return state


def _parsed(model: type[M], path: Path, *, what: str) -> M:
    try:
        data = host_files.read_file(path, _REQUEST_LIMIT)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}", step=f"{what}.request") from error
    return canonical.parse_model(model, canonical.decode(data), what=what)


def _anchored(path: Path, master: bytes) -> StateReference | None:
    """What the anchor says; None where it is lost or not ours."""
    try:
        anchor = open_anchor(path, master)
    except StoreRolledBackError:
        return None
    state = anchor.state
    anchor.close()
    return state


def _replace_anchor(path: Path, master: bytes, state: StateReference) -> None:
    """The old one stays beside it: it could be another custodian's."""
    try:
        if host_files.exists(path):
            path.replace(path.with_name(f"{path.name}.replaced"))
    except OSError as error:
        raise StoreError(f"the anchor cannot be replaced: {error.strerror}", step="restore.anchor") from error
    FileAnchor.create(path, master, state)


def _approved(
    data: Path, identity: Identity, found: StateReference, anchored: StateReference | None, now: datetime
) -> RestoreStatement:
    """The board's statement about exactly this situation."""
    envelope = _parsed(dsse.Envelope, data / RESTORE_FILE, what="restore")
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
