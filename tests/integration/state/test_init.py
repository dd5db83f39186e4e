"""Making a custodian: what a crash left is made anew, what is somebody's is not touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from casemate.custodian import host_files, setup
from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keys.master import MASTER_FILE
from casemate.custodian.opening import STORE_FILE
from casemate.errors import CasemateError, MalformedError, PolicyError, StoreError, UsageError
from casemate.wire import canonical
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_decode

from .conftest import NAMES, SEALING, Installation, init_request


def init(installation: Installation, sealing: bytes = SEALING) -> str:
    return setup.init(installation.data, installation.anchor, sealing)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_asked_for_is_in_the_genesis(installation: Installation) -> None:
    installation.prepare(simulation_root="sha256:" + "1" * 64)
    answer = json.loads(init(installation))
    data = b64u_decode(answer["genesis"])
    genesis = canonical.parse_model(CustodianGenesis, canonical.decode_canonical(data), what="genesis")
    assert genesis.identity() == answer["identity"]
    assert (genesis.name, genesis.simulation_root) == ("test", "sha256:" + "1" * 64)
    assert genesis.board.to_object() == init_request()["board"]
    opened = installation.open()
    assert opened.identity.identity == answer["identity"]
    opened.engine.stop()


def test_only_what_a_custodian_needs_is_left(installation: Installation, identity: str) -> None:
    assert set(content(installation.folder)) == {f"data/{MASTER_FILE}", f"data/{STORE_FILE}", "anchors/anchor"}


def test_no_two_have_one_identity(tmp_path: Path) -> None:
    assert len({Installation(tmp_path / name).init() for name in "abc"}) == 3


class PowerLostError(BaseException):
    pass


STEPS: dict[str, tuple[object, str]] = {
    "before the master key": (setup, "create_master"),
    "before the store": (setup, "SqliteStore"),
    "before the first commit": (setup.SealedStore, "commit"),
    "before the store is in its place": (host_files, "sync_folder"),
    "before the anchor": (FileAnchor, "create"),
    "in the anchor": (os, "link"),
}


@pytest.mark.parametrize(("place", "name"), STEPS.values(), ids=STEPS)
def test_what_a_crash_left_is_made_anew(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, place: object, name: str
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise PowerLostError

    installation.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(place, name, cut)
        with pytest.raises(PowerLostError):
            init(installation)
    with pytest.raises(CasemateError):
        installation.open()
    identity = installation.init()
    opened = installation.open()
    assert opened.identity.identity == identity
    opened.engine.stop()


def test_after_a_crash_at_the_very_end_it_is_a_custodian(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise PowerLostError

    installation.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(setup.json, "dumps", cut)
        with pytest.raises(PowerLostError):
            init(installation)
    installation.open().engine.stop()


@pytest.mark.parametrize("anchor", [True, False], ids=["with its anchor", "whose anchor is lost"])
def test_a_custodian_is_never_made_over(installation: Installation, identity: str, anchor: bool) -> None:
    installation.live("k1")
    if not anchor:
        installation.anchor.unlink()
    installation.prepare()
    before = content(installation.folder)
    with pytest.raises(StoreError, match="a custodian already") as refused:
        init(installation)
    assert refused.value.step == ("init.anchor" if anchor else "init.store")
    assert content(installation.folder).items() >= before.items()


def test_a_store_that_this_runtime_cannot_open_is_not_made_over(installation: Installation, identity: str) -> None:
    installation.anchor.unlink()
    installation.prepare()
    before = content(installation.data)
    with pytest.raises(StoreError, match="a custodian already"):
        init(installation, bytes(32))
    assert content(installation.data).items() >= before.items()


def test_a_running_custodian_is_not_made_over(installation: Installation, identity: str) -> None:
    opened = installation.open()
    installation.anchor.unlink()
    installation.prepare()
    with pytest.raises(StoreError, match="a custodian already"):
        init(installation)
    opened.engine.stop()


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (lambda installation: installation.anchor.symlink_to("nowhere"), "init.anchor"),
        (lambda installation: installation.anchor.mkdir(), "init.anchor"),
        (lambda installation: installation.anchor.parent.rmdir(), "anchor.create"),
        (lambda installation: (installation.data / MASTER_FILE).mkdir(), "keys.master"),
        (lambda installation: (installation.data / STORE_FILE).mkdir(), "init.store"),
    ],
    ids=["a link as anchor", "a folder as anchor", "no folder for it", "a folder as key", "a folder as store"],
)
def test_what_is_in_the_way_is_named(
    installation: Installation, place: Callable[[Installation], object], step: str
) -> None:
    installation.prepare()
    place(installation)
    with pytest.raises(StoreError) as refused:
        init(installation)
    assert refused.value.step == step


@pytest.mark.parametrize(
    "request_bytes",
    [None, b"", b"{", b"[]", b"{}", b'{"name":"x","name":"y"}', json.dumps({"name": "x" * 2_000_000}).encode()],
    ids=["nothing", "empty", "half", "a list", "no fields", "a name twice", "too large"],
)
def test_a_request_that_is_none_makes_nothing(installation: Installation, request_bytes: bytes | None) -> None:
    installation.prepare()
    path = installation.data / setup.INIT_FILE
    path.unlink()
    if request_bytes is not None:
        path.write_bytes(request_bytes)
    with pytest.raises((UsageError, MalformedError)):
        init(installation)
    assert set(content(installation.folder)) <= {f"data/{setup.INIT_FILE}"}


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_name_has_a_length(installation: Installation, name: str) -> None:
    installation.prepare(name=name)
    with pytest.raises(MalformedError):
        init(installation)


KEY = init_request()["board"]["principals"]["alice"]
BOARDS: dict[str, tuple[dict[str, object], str]] = {
    "nobody of that name": ({"rule": {"any": ["alice", "dave"]}}, "no principal 'dave'"),
    "one key for two": ({"principals": dict.fromkeys(NAMES, KEY)}, "the same key"),
    "a name twice": ({"rule": {"at_least": 2, "of": ["alice", "alice"]}}, "named twice"),
}


@pytest.mark.parametrize(("change", "message"), BOARDS.values(), ids=BOARDS)
def test_a_board_that_does_not_hold_together_is_refused(
    installation: Installation, change: dict[str, object], message: str
) -> None:
    installation.prepare(board={**init_request()["board"], **change})
    with pytest.raises(PolicyError, match=message):
        init(installation)
    assert not installation.anchor.exists()
