"""Workers and their keeper over real sockets: group commit, failures of either side, and evidence beside it all."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper import messages
from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keeper.remote import RemoteState
from casemate.custodian.keeper.server import MAX_EVIDENCE, KeeperServer
from casemate.custodian.keeper.state import Compare, Item, Put
from casemate.custodian.record import AuditEntry
from casemate.errors import CasemateError, CompareFailedError, PlatformError, StoreError, StoreTamperedError

from .conftest import Machine, put

_FOR_EVER = 30.0


@dataclass
class Worker:
    state: RemoteState
    serving: asyncio.Task[None]
    events: list[Any] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Keeper:
    server: KeeperServer
    committing: asyncio.Task[None]
    failures: list[CasemateError]

    async def worker(self) -> Worker:
        ours, theirs = socket.socketpair()
        serving = self.serve(ours)
        events: list[Any] = []
        ended = asyncio.Event()
        state = await RemoteState.connect(theirs, events.append, ended.set)
        return Worker(state, await serving, events, ended)

    async def serve(self, ours: socket.socket) -> asyncio.Task[None]:
        reader, writer = await asyncio.open_connection(sock=ours)
        return asyncio.create_task(self.server.serve(reader, writer, lambda: ("hello",)))

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Task[None]]:
        """A worker that sends what it likes."""
        ours, theirs = socket.socketpair()
        serving = await self.serve(ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        assert await messages.read(reader) == (0, ("hello",))
        return reader, writer, serving

    async def die(self, worker: Worker) -> None:
        worker.serving.cancel()
        await asyncio.gather(worker.serving, return_exceptions=True)


def no_evidence(_: tuple[Any, ...]) -> tuple[Any, ...]:
    raise PlatformError("there is none here", step="platform.refused")


@asynccontextmanager
async def keeping(engine: Engine, evidence: Any = no_evidence) -> AsyncIterator[Keeper]:
    failures: list[CasemateError] = []
    server = KeeperServer(engine, evidence, failures.append)
    committing = asyncio.create_task(server.commit_forever())
    yield Keeper(server, committing, failures)
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)


@pytest.fixture
async def keeper(engine: Engine) -> AsyncIterator[Keeper]:
    async with keeping(engine) as made:
        yield made


async def test_a_worker_is_greeted_and_told(keeper: Keeper) -> None:
    one, other = await keeper.worker(), await keeper.worker()
    for _ in range(2):
        # An answer comes after what was told before.
        await asyncio.gather(one.state.get("x"), other.state.get("x"))
        keeper.server.push(("instance", b"key"))
    assert one.events == other.events == [("hello",), ("instance", b"key")]


async def test_workers_read_what_others_wrote(keeper: Keeper) -> None:
    one, other = await keeper.worker(), await keeper.worker()
    revision = await one.state.transact([], [Put("a/1", b"one"), Put("a/2", b"two")], AuditEntry("test"))
    assert await other.state.get("a/1") == Item("a/1", b"one", revision)
    assert await other.state.range("a/", limit=1, reverse=True) == [Item("a/2", b"two", revision)]
    assert await other.state.get("nothing") is None


async def test_of_two_workers_one_wins(keeper: Keeper) -> None:
    workers = [await keeper.worker() for _ in range(2)]
    tries = [worker.state.transact([Compare("head", None)], [Put("head", b"")], None) for worker in workers]
    results = await asyncio.gather(*tries, return_exceptions=True)
    lost = [result for result in results if isinstance(result, CompareFailedError)]
    assert ([error.key for error in lost], results.count(1)) == (["head"], 1)


async def test_a_nonce_is_spent_once_by_all_workers(keeper: Keeper) -> None:
    one, other = await keeper.worker(), await keeper.worker()
    spent = await asyncio.gather(one.state.spend(b"nonce", 2e9), other.state.spend(b"nonce", 2e9))
    assert sorted(spent) == [False, True]


async def test_what_arrives_together_is_committed_together(keeper: Keeper, engine: Engine) -> None:
    workers = [await keeper.worker() for _ in range(2)]
    asked = [workers[number % 2].state.transact([], [Put(f"k/{number}", b"")], None) for number in range(100)]
    revisions = await asyncio.gather(*asked)
    assert len(set(revisions)) < 20
    assert len(engine.range("k/", limit=200, after=None, reverse=False)) == 100


async def test_a_worker_sees_no_earlier_time_than_its_keeper(machine: Machine, keeper: Keeper) -> None:
    worker = await keeper.worker()
    machine.clock.now = 9e9
    await worker.state.get("x")
    machine.clock.now = 1e6
    assert (await worker.state.now()).timestamp() == 9e9


async def test_when_the_keeper_goes_nothing_waits_and_nothing_is_answered(keeper: Keeper) -> None:
    worker = await keeper.worker()
    await worker.state.get("x")
    keeper.committing.cancel()
    waiting = asyncio.create_task(worker.state.transact([], [Put("a", b"")], None))
    await keeper.die(worker)
    await worker.ended.wait()
    for asked in (waiting, worker.state.get("a"), worker.state.spend(b"nonce", 2e9)):
        # Who waits for ever would not fail otherwise.
        with pytest.raises(StoreError) as gone:
            await asyncio.wait_for(asked, _FOR_EVER)
        assert gone.value.step == "keeper.gone"


@pytest.mark.parametrize("noise", [b"\xff" * 8, b"\x00\x00\x00\x02{}", messages.pack((7, 0.0))])
async def test_a_worker_that_cannot_read_its_keeper_gives_up(noise: bytes) -> None:
    ours, theirs = socket.socketpair()
    ended = asyncio.Event()
    state = await RemoteState.connect(theirs, lambda _: None, ended.set)
    asked = asyncio.create_task(state.get("x"))
    _, writer = await asyncio.open_connection(sock=ours)
    writer.write(noise)
    await asyncio.wait_for(ended.wait(), _FOR_EVER)
    with pytest.raises(StoreError) as gone:
        await asyncio.wait_for(asked, _FOR_EVER)
    assert gone.value.step == "keeper.gone"
    writer.close()


NOISE = {
    "noise": b"\xff" * 64,
    "too large": (messages.MAX_FRAME + 1).to_bytes(4, "big"),
    "no tuple": b"\x00\x00\x00\x05" + b"i\x07\x00\x00\x00",
    "too few parts": messages.pack((1, "get")),
    "no transaction": messages.pack((1, "transact", ([], [(7, b"")], None))),
    "no arguments": messages.pack((1, "range", 7)),
    "a key that is none": messages.pack((1, "get", [])),
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
async def test_a_worker_that_sends_no_message_is_let_go_alone(keeper: Keeper, noise: bytes) -> None:
    other = await keeper.worker()
    reader, writer, serving = await keeper.raw()
    writer.write(noise)
    await serving
    assert await messages.read(reader) is None
    writer.close()
    assert await other.state.transact([], [Put("a", b"")], None) == 1
    assert keeper.failures == []


async def test_an_unknown_question_is_refused(keeper: Keeper) -> None:
    reader, writer, _ = await keeper.raw()
    writer.write(messages.pack((5, "delete-everything", None)))
    answer = await messages.read(reader)
    assert answer is not None
    assert (answer[0], answer[2], answer[3][2]) == (5, False, "keeper.operation")
    writer.close()


@pytest.mark.parametrize("sent", [3, 40, None], ids=["half a length", "half a transaction", "a whole one"])
async def test_a_worker_that_dies_in_a_transaction_harms_nobody(
    keeper: Keeper, engine: Engine, sent: int | None
) -> None:
    other = await keeper.worker()
    _, writer, serving = await keeper.raw()
    writer.write(messages.pack((1, "transact", ([], [("a", b"whole"), ("b", b"whole")], ("test", {}))))[:sent])
    await writer.drain()
    writer.close()
    await serving
    await other.state.transact([], [Put("c", b"")], None)
    # All of it or nothing.
    found = [item.value for key in "ab" if (item := engine.get(key)) is not None]
    assert found == ([b"whole"] * 2 if sent is None else [])


async def test_an_answer_that_is_too_large_is_an_error_for_who_asked(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await keeper.worker()
    await worker.state.transact([], [Put("a", bytes(5000))], None)
    monkeypatch.setattr(messages, "MAX_FRAME", 4000)
    with pytest.raises(StoreError) as refused:
        await worker.state.get("a")
    assert refused.value.step == "keeper.frame"
    with pytest.raises(StoreError):
        await worker.state.transact([], [Put("a", bytes(5000))], None)
    assert await worker.state.get("b") is None


async def test_a_failed_anchor_stops_the_keeper(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the anchor cannot be written", step="anchor.write")

    worker = await keeper.worker()
    monkeypatch.setattr(FileAnchor, "write", fail)
    with pytest.raises(StoreError) as refused:
        await worker.state.transact([], [Put("a", b"")], None)
    assert refused.value.step == "anchor.write"
    assert [error.code for error in keeper.failures] == ["store"]


async def test_tampering_that_a_read_finds_stops_the_keeper(machine: Machine, engine: Engine) -> None:
    engine.apply([put("a")])
    engine.close()
    # In an engine that has not read it yet.
    async with keeping(machine.engine()) as keeper:
        worker = await keeper.worker()
        machine.store.rows.pop("row/a")
        with pytest.raises(StoreTamperedError) as refused:
            await worker.state.get("a")
        assert refused.value.step == "store.row"
        assert [error.code for error in keeper.failures] == ["store.tampered"]


async def test_evidence_that_takes_its_time_keeps_nobody_waiting(engine: Engine) -> None:
    slow = threading.Event()

    def evidence(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        slow.wait()
        return (b"evidence", *arguments)

    async with keeping(engine, evidence) as keeper:
        worker = await keeper.worker()
        asked = [asyncio.create_task(worker.state.evidence((number,))) for number in range(MAX_EVIDENCE + 1)]
        (first, *_), _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        # One too many is told so at once, and a transaction does not wait for the platform.
        refused = first.exception()
        assert isinstance(refused, StoreError)
        assert refused.step == "keeper.evidence"
        assert await worker.state.transact([], [Put("a", b"")], None) == 1
        slow.set()
        answers = [task.result() for task in (await asyncio.wait(asked))[0] if task is not first]
        assert sorted(answers) == [(b"evidence", number) for number in range(MAX_EVIDENCE)]


async def test_a_platform_that_refuses_is_told_to_who_asked(keeper: Keeper) -> None:
    worker = await keeper.worker()
    with pytest.raises(StoreError, match="there is none here"):
        await worker.state.evidence(())
    assert keeper.failures == []
