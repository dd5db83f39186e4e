"""Going on from a store that its anchor does not confirm: only as the board says, and on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casemate.custodian.opening import UnconfirmedError, open_state
from casemate.custodian.setup import RESTORE_FILE
from casemate.errors import (
    CasemateError,
    MalformedError,
    NotAuthorisedError,
    SignatureError,
    StoreLockedError,
    StoreTamperedError,
    UsageError,
)
from casemate.wire.dsse import POLICY_TYPE
from casemate.wire.fields import format_time

from .conftest import SEALING, Installation, commit, statement


def report(installation: Installation) -> str:
    """What the refusing custodian prints."""
    with pytest.raises(UnconfirmedError) as error:
        installation.open()
    return error.value.report


@pytest.fixture
def rolled_back(installation: Installation, identity: str) -> Installation:
    """Yesterday's database (`k1`) under today's anchor; today is the first that was kept."""
    installation.live("k1")
    yesterday = installation.keep()
    installation.live("k2")
    installation.kept.insert(0, installation.keep())
    installation.put_back(yesterday, "data")
    return installation


def refusal(installation: Installation, now: datetime | None = None) -> CasemateError:
    with pytest.raises(CasemateError) as error:
        installation.restore(now)
    return error.value


def test_the_board_can_accept_it_and_it_is_on_record(rolled_back: Installation, identity: str) -> None:
    printed = statement(identity, report(rolled_back))
    rolled_back.approve(printed, "alice", "carol")
    assert rolled_back.restore() == {"identity": identity, "restored": printed["found"]}
    opened = rolled_back.open()
    entries = {entry.kind: entry.facts for entry in opened.engine.store.audit()}
    assert entries["custodian.restored"] == {
        "found": printed["found"],
        "anchor": printed["anchor"],
        "reason": printed["reason"],
    }
    assert [opened.engine.get(key) is not None for key in ("k1", "k2")] == [True, False]
    opened.engine.stop()


def test_it_goes_on_after_it_and_the_other_branch_is_refused(rolled_back: Installation, identity: str) -> None:
    rolled_back.approve(statement(identity, report(rolled_back)), "alice", "bob")
    rolled_back.restore()
    # As many commits as the abandoned branch had, and more.
    rolled_back.live("k3", "k4")
    rolled_back.live("k5")
    rolled_back.put_back(rolled_back.kept[0], "data")
    with pytest.raises(UnconfirmedError) as error:
        rolled_back.open()
    assert error.value.step == "anchor.state"


def test_an_approval_is_used_once(rolled_back: Installation, identity: str) -> None:
    rolled_back.approve(statement(identity, report(rolled_back)), "alice", "bob")
    rolled_back.restore()
    assert refusal(rolled_back).step == "restore.state"
    # Not for the same store put back once more, either: the anchor is another one now.
    copy = rolled_back.kept[1]
    approval = (rolled_back.data / RESTORE_FILE).read_bytes()
    rolled_back.put_back(copy, "data")
    (rolled_back.data / RESTORE_FILE).write_bytes(approval)
    assert refusal(rolled_back).step == "restore.state"


@pytest.mark.parametrize("lost", [Path.unlink, lambda path: path.write_bytes(bytes(1024))], ids=["missing", "damaged"])
def test_the_board_can_accept_a_store_without_its_anchor(
    installation: Installation, identity: str, lost: Callable[[Path], object]
) -> None:
    installation.live("k1")
    lost(installation.anchor)
    printed = statement(identity, report(installation))
    assert "anchor" not in printed
    installation.approve(printed, "bob", "carol")
    installation.restore()
    installation.live("k2")


def test_another_custodians_anchor_is_put_aside_and_not_lost(
    installation: Installation, identity: str, tmp_path: Path
) -> None:
    other = Installation(tmp_path / "other")
    other.init()
    genuine = other.anchor.read_bytes()
    installation.anchor.write_bytes(genuine)
    installation.approve(statement(identity, report(installation)), "alice", "bob")
    installation.restore()
    assert installation.anchor.with_name("anchor.replaced").read_bytes() == genuine
    installation.live("k1")


OTHER = "sha256:" + "7" * 64
WRONG: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "one of two signatures": ("restore.board", {}, ("alice",)),
    "a stranger's signature": ("restore.board", {}, ("alice", "mallory")),
    "another custodian": ("restore.custodian", {"custodian": OTHER}, ("alice", "bob")),
    "another state": ("restore.state", {"found": {"sequence": 4, "state": OTHER}}, ("alice", "bob")),
    "another anchor": ("restore.state", {"anchor": {"sequence": 8, "state": OTHER}}, ("alice", "bob")),
    "no anchor": ("restore.state", {"anchor": None}, ("alice", "bob")),
    "an end that passed": ("restore.expires", {"expires": "2026-01-01T00:00:00Z"}, ("alice", "bob")),
    "no reason": ("restore.schema", {"reason": ""}, ("alice", "bob")),
    "no end": ("restore.schema", {"expires": None}, ("alice", "bob")),
    "one field more": ("restore.schema", {"force": True}, ("alice", "bob")),
}


@pytest.mark.parametrize(("step", "change", "signers"), WRONG.values(), ids=WRONG)
def test_what_the_board_did_not_say_changes_nothing(
    rolled_back: Installation, identity: str, step: str, change: dict[str, Any], signers: tuple[str, ...]
) -> None:
    before = report(rolled_back)
    rolled_back.approve(statement(identity, before, **change), *signers)
    error = refusal(rolled_back)
    assert (isinstance(error, NotAuthorisedError | MalformedError), error.step) == (True, step)
    assert report(rolled_back) == before


def test_a_signature_for_another_purpose_is_refused(rolled_back: Installation, identity: str) -> None:
    printed = statement(identity, report(rolled_back))
    rolled_back.approve(printed, "alice", "bob", payload_type=POLICY_TYPE)
    assert refusal(rolled_back).step == "dsse.type"


def test_a_changed_statement_is_refused(rolled_back: Installation, identity: str) -> None:
    rolled_back.approve(statement(identity, report(rolled_back)), "alice", "bob")
    path = rolled_back.data / RESTORE_FILE
    data = path.read_bytes()
    at = data.index(b'"payload":"') + 20
    path.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
    assert isinstance(refusal(rolled_back), SignatureError | MalformedError)


@pytest.mark.parametrize("data", [None, b"", b"{}", b"x" * 2_000_000], ids=["nothing", "empty", "no fields", "large"])
def test_no_statement_is_no_approval(rolled_back: Installation, data: bytes | None) -> None:
    if data is not None:
        (rolled_back.data / RESTORE_FILE).write_bytes(data)
    assert isinstance(refusal(rolled_back), UsageError | MalformedError)


def test_a_clock_that_was_set_back_does_not_revive_an_approval(installation: Installation, identity: str) -> None:
    later = datetime.now(UTC) + timedelta(days=30)
    opened = open_state(installation.data, installation.anchor, SEALING, later.timestamp)
    commit(opened, "k1")
    opened.engine.stop()
    installation.anchor.unlink()
    ended = later - timedelta(days=1)
    installation.approve(statement(identity, report(installation), expires=format_time(ended)), "alice", "bob")
    assert refusal(installation, ended - timedelta(hours=1)).step == "restore.expires"


def test_nothing_is_accepted_whose_record_is_broken(rolled_back: Installation, identity: str) -> None:
    with closing(sqlite3.connect(rolled_back.data / "store.sqlite3", isolation_level=None)) as connection:
        connection.execute("DELETE FROM log WHERE number = 1")
    rolled_back.approve(statement(identity, report(rolled_back)), "alice", "bob")
    error = refusal(rolled_back)
    assert (type(error), error.step) == (StoreTamperedError, "store.log")


def test_a_running_custodian_is_not_restored(installation: Installation, identity: str) -> None:
    opened = installation.open()
    assert isinstance(refusal(installation), StoreLockedError)
    opened.engine.stop()
