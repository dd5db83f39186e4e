"""Over real sockets: TLS handshakes that never end count as connections, have an end, and leave room for others."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from .serving_worker import MOST, PATIENCE, Run, client_hello, ended, run, trusting, until, worker

__all__ = ["run"]


def test_a_connection_has_one_place_from_its_handshake_to_its_end(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            assert await it.ask(it.tls, trusting()) == b"HTTP/1.1 200 OK\r\n"
            assert it.places.taken == 1
            await it.ask(it.plain)
            assert it.places.taken == 2
            for writer in it.clients:
                writer.close()
            await until(lambda: it.places.taken == 0)

    run(body())


def test_those_that_never_speak_count_and_are_closed_in_time(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            started = time.perf_counter()
            silent = [await it.connect(it.tls) for _ in range(MOST // 2)]
            await until(lambda: it.places.taken == MOST // 2)
            assert time.perf_counter() - started < PATIENCE
            for reader, _ in silent:
                assert await ended(reader) == b""
            assert PATIENCE / 2 < time.perf_counter() - started < PATIENCE * 3
            await until(lambda: it.places.taken == 0)
            assert await it.ask(it.tls, trusting()) == b"HTTP/1.1 200 OK\r\n"

    run(body())


def test_many_more_than_there_are_places_keep_nobody_out_for_longer(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            silent = [await it.connect(it.tls) for _ in range(MOST * 2)]
            await until(lambda: it.places.greeting == MOST // 2)
            # Behind them in the queue: its turn comes once all of theirs are over.
            assert await it.ask(it.tls, trusting()) == b"HTTP/1.1 200 OK\r\n"
            assert it.places.taken == 1
            for reader, _ in silent:
                assert await ended(reader) == b""

    run(body())


def test_those_that_never_speak_leave_half_of_the_places_to_the_port_in_the_clear(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            started = time.perf_counter()
            for _ in range(MOST * 2):
                await it.connect(it.tls)
            await until(lambda: it.places.greeting == MOST // 2)
            for _ in range(MOST // 2):
                assert await it.ask(it.plain) == b"HTTP/1.1 200 OK\r\n"
            assert it.places.taken == MOST
            assert time.perf_counter() - started < PATIENCE

    run(body())


def test_connections_whose_handshake_is_over_may_have_all_places(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            for _ in range(MOST):
                assert await it.ask(it.tls, trusting()) == b"HTTP/1.1 200 OK\r\n"
            assert (it.places.taken, it.places.greeting) == (MOST, 0)

    run(body())


def test_a_handshake_that_drips_in_has_no_more_time(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            reader, writer = await it.connect(it.tls)
            started = time.perf_counter()
            with contextlib.suppress(ConnectionError):
                for byte in client_hello():
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(PATIENCE / 10)
                    if reader.at_eof():
                        break
            assert PATIENCE / 2 < time.perf_counter() - started < PATIENCE * 3
            await until(lambda: it.places.taken == 0)

    run(body())


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x00\x05", b"GET / HTTP/1.1\r\n\r\n", bytes(4096)])
def test_a_handshake_that_breaks_gives_its_place_back(run: Run, sent: bytes) -> None:
    async def body() -> None:
        async with worker() as it:
            _, writer = await it.connect(it.tls)
            await until(lambda: it.places.taken == 1)
            writer.write(sent)
            writer.write_eof()
            await until(lambda: it.places.taken == 0, PATIENCE * 0.8)

    run(body())


def test_a_worker_that_stops_waits_for_no_handshake(run: Run) -> None:
    async def body() -> None:
        async with worker() as it:
            await it.connect(it.tls)
            await until(lambda: it.places.taken == 1)
            started = time.perf_counter()
            it.server.should_exit = True
            await until(lambda: it.places.taken == 0, PATIENCE * 0.8)
        assert time.perf_counter() - started < PATIENCE * 2

    run(body())
