"""The keeper in this process, without workers: what ends it, and what it calls a clean stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from casemate.custodian import serving
from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper.engine import FLOOR_KEY
from casemate.custodian.keeper.server import KeeperServer
from casemate.custodian.keys import master
from casemate.custodian.opening import STORE_FILE, Opened, open_state
from casemate.custodian.platform_channel import PlatformChannel
from casemate.errors import StoreError, StoreTamperedError, UsageError

from .conftest import SEALING, Installation, commit


@pytest.fixture
async def channel() -> AsyncIterator[PlatformChannel]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield PlatformChannel(ours)


async def serve(opened: Opened, channel: PlatformChannel) -> None:
    """Ends by itself, or with an error after a time that no test needs."""
    with serving.listen("127.0.0.1", 0) as listener:
        async with asyncio.timeout(30):
            await serving.serve(opened, channel, serving.Listeners(listener), 0, Path())


def stopped_cleanly(installation: Installation) -> bool:
    with closing(FileAnchor(installation.anchor, master.open_master(installation.data, SEALING))) as anchor:
        return anchor.stopped_cleanly


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_a_clean_stop(
    installation: Installation, identity: str, channel: PlatformChannel, number: signal.Signals
) -> None:
    running = asyncio.create_task(serve(installation.open(), channel))
    await asyncio.sleep(0)
    os.kill(os.getpid(), number)
    await running
    assert stopped_cleanly(installation)


async def test_a_record_with_a_hole_ends_it_while_it_serves(
    installation: Installation, identity: str, channel: PlatformChannel
) -> None:
    installation.live("k1", "k2")
    with closing(sqlite3.connect(installation.data / STORE_FILE, isolation_level=None)) as connection:
        connection.execute("DELETE FROM log WHERE number = 3")
    with pytest.raises(StoreTamperedError) as stopped:
        await serve(installation.open(), channel)
    assert stopped.value.step == "store.log"
    assert not stopped_cleanly(installation)


async def test_an_anchor_that_fails_ends_it(
    installation: Installation, identity: str, channel: PlatformChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the anchor cannot be written", step="anchor.write")

    monkeypatch.setattr(serving, "_HOUSE_SECONDS", 0)
    now = [2e9]
    opened = open_state(installation.data, installation.anchor, SEALING, lambda: now[0])
    commit(opened, "k1")
    now[0] += 100
    monkeypatch.setattr(FileAnchor, "write", fail)
    with pytest.raises(StoreError) as stopped:
        await serve(opened, channel)
    assert stopped.value.step == "anchor.write"
    assert not stopped_cleanly(installation)


async def test_what_nobody_foresaw_is_no_clean_stop(
    installation: Installation, identity: str, channel: PlatformChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    opened = installation.open()
    monkeypatch.setattr(opened.engine, "read_log", fail)
    with pytest.raises(ZeroDivisionError):
        await serve(opened, channel)
    assert not stopped_cleanly(installation)


async def test_a_keeper_that_decides_nothing_stores_time_and_renews_its_key(
    installation: Installation, identity: str, channel: PlatformChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued: list[float] = []
    issue = serving.issue_instance
    monkeypatch.setattr(serving, "_HOUSE_SECONDS", 0)
    monkeypatch.setattr(serving, "issue_instance", lambda who, at: (issued.append(at.timestamp()), issue(who, at))[1])
    now = [2e9]
    opened = open_state(installation.data, installation.anchor, SEALING, lambda: now[0])
    running = asyncio.create_task(serve(opened, channel))

    async def until(happened: Callable[[], bool]) -> None:
        while not (happened() or running.done()):
            await asyncio.sleep(0)

    await until(lambda: len(issued) == 1)
    # A machine that slept: clocks of other kinds stood still.
    for moment in (2e9 + 11 * 3600, 2e9 + 12 * 3600):
        now[0] = moment
        await until(lambda moment=moment: float(opened.engine.store.get(FLOOR_KEY).value) == moment)
    await until(lambda: len(issued) == 2)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert issued == [2e9, 2e9 + 12 * 3600]


async def test_an_instance_key_is_remembered_before_it_signs_and_over_starts(
    installation: Installation, identity: str, channel: PlatformChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, told = [2e9], []
    monkeypatch.setattr(serving, "_HOUSE_SECONDS", 0.01)

    def remembered(opened: Opened) -> list[str]:
        items = opened.engine.range("instances/", limit=100, after=None, reverse=False)
        return [json.loads(item.value)["certificate"] for item in items]

    async def live(seconds: float) -> list[str]:
        opened = open_state(installation.data, installation.anchor, SEALING, lambda: now[0])
        monkeypatch.setattr(KeeperServer, "push", lambda _, event: told.append(event[2] in remembered(opened)))
        running = asyncio.create_task(serve(opened, channel))
        await asyncio.sleep(0.1)
        now[0] += seconds
        await asyncio.sleep(0.2)
        found = remembered(opened)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        return found

    assert len(first := await live(13 * 3600)) == 2, "the first, and the one that was renewed"
    assert told == [True]
    assert set(first) < set(await live(0)), "and one more for another start"
    assert not set(first) & set(await live(24 * 3600))


async def test_a_key_that_cannot_be_remembered_is_not_used_and_tried_again(
    installation: Installation, identity: str, channel: PlatformChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, told = [2e9], []
    monkeypatch.setattr(serving, "_HOUSE_SECONDS", 0.01)
    monkeypatch.setattr(KeeperServer, "push", lambda _, event: told.append(event[0]))
    opened = open_state(installation.data, installation.anchor, SEALING, lambda: now[0])
    running = asyncio.create_task(serve(opened, channel))
    await asyncio.sleep(0.1)
    keep, full = opened.engine.keep, [True]

    def keep_if_there_is_room(changes: Any) -> None:
        if full[0]:
            raise StoreError("the disk is full", step="store.write")
        keep(changes)

    monkeypatch.setattr(opened.engine, "keep", keep_if_there_is_room)
    now[0] += 13 * 3600
    await asyncio.sleep(0.1)
    assert (told, running.done()) == ([], False)
    full[0] = False
    await asyncio.sleep(0.1)
    assert told == ["instance"]
    os.kill(os.getpid(), signal.SIGTERM)
    await running


@pytest.mark.parametrize(
    ("address", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("192.0.2.1", 0), ("no-address", 0), ("1::2::3", 0)]
)
def test_where_nobody_can_listen_is_said(address: str, port: int) -> None:
    with pytest.raises(UsageError, match="cannot listen on"):
        serving.listen(address, port)
