"""Over real sockets: a worker that is full leaves what comes to the others, and to itself for later."""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial
from typing import Any

import pytest

from casemate.custodian import workers_doors
from casemate.custodian.workers_connections import Place, Places
from casemate.custodian.workers_doors import Door
from casemate.custodian.workers_http import BoundedProtocol

from .serving_worker import MOST, PATIENCE, REQUEST, Run, ended, run, trusting, until, worker

__all__ = ["run"]

WELL = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("port", ["plain", "tls"])
def test_who_comes_to_a_full_worker_waits_for_a_place(run: Run, port: str) -> None:
    async def body() -> None:
        async with worker() as it:
            for _ in range(MOST):
                assert await it.ask(it.plain) == WELL
            address, context = (it.plain, None) if port == "plain" else (it.tls, trusting())
            late = asyncio.create_task(it.ask(address, context))
            await asyncio.sleep(PATIENCE / 2)
            assert it.places.taken == MOST
            assert not late.done()
            it.clients[0].close()
            assert await late == WELL
            assert it.places.taken == MOST

    run(body())


@pytest.mark.parametrize("port", [0, 1], ids=["plain", "tls"])
def test_a_full_worker_takes_nothing_from_one_that_has_room(run: Run, port: int) -> None:
    async def body() -> None:
        listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(2)]
        async with worker(2, listeners) as small:
            for _ in range(2):
                assert await small.ask(small.plain) == WELL
            async with worker(MOST * 4, listeners) as roomy:
                address, context = ((roomy.plain, None), (roomy.tls, trusting()))[port]
                for _ in range(MOST * 2):
                    assert await roomy.ask(address, context) == WELL
                assert (small.places.taken, roomy.places.taken) == (2, MOST * 2)
        for listener in listeners:
            listener.close()

    run(body())


def test_a_full_worker_stops_as_any(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            silent = [await it.connect(it.plain) for _ in range(MOST)]
            await until(lambda: it.places.taken == MOST)
            _, waiting = await it.connect(it.tls)
            waiting.write(REQUEST)
            started = time.perf_counter()
            it.server.should_exit = True
            await until(lambda: not it.server.servers and it.server._door is not None and it.server._door._closed)
            for writer in it.clients:
                writer.close()
        assert time.perf_counter() - started < PATIENCE * 4
        for reader, _ in silent:
            assert await ended(reader) == b""

    run(body())


def test_nothing_is_served_without_a_place(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            made = partial(BoundedProtocol, it.server.config, it.server.server_state, {})
            astray = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
            try:
                reader, writer = await it.connect(astray.sockets[0].getsockname())
                writer.write(REQUEST)
                assert await ended(reader) == b""
                assert it.places.taken == 0
            finally:
                astray.close()

    run(body())


class Failing:
    """A listener whose system has no more descriptors, and then breaks off a connection, before it accepts one."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.errors = [ConnectionAbortedError(), OSError(24, "Too many open files")]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def accept(self) -> Any:
        if self.errors:
            raise self.errors.pop()
        return self._listener.accept()


def test_a_listener_that_fails_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_doors, "_NO_ROOM_SECONDS", PATIENCE / 4)

    async def body() -> None:
        places = Places(1)
        entered: list[tuple[socket.socket, Place]] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            failing: Any = Failing(listener)
            door = Door(failing, places, False, lambda connection, place: entered.append((connection, place)))
            started = time.perf_counter()
            with socket.create_connection(listener.getsockname()), socket.create_connection(listener.getsockname()):
                await until(lambda: bool(entered))
                assert time.perf_counter() - started > PATIENCE / 5
                assert not failing.errors
                await asyncio.sleep(PATIENCE / 4)
                assert len(entered) == places.taken == 1
                entered[0][1].give_back()
                await until(lambda: len(entered) == 2)
                door.close()
                entered[1][1].give_back()
                await asyncio.sleep(PATIENCE / 8)
            assert places.taken == 0
            for connection, _ in entered:
                connection.close()

    run(body())
