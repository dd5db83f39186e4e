"""Over real sockets: whoever does not read the answers loses the connection in time; whoever reads slowly does not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import pytest

from casemate.custodian import workers_http
from casemate.custodian.workers_http import BoundedProtocol

from .serving_worker import LARGE, MOST, PATIENCE, REQUEST, Run, Worker, run, trusting, until, worker

__all__ = ["run"]

LARGE_REQUEST = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n"
LAST_REQUEST = b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

SMALLEST = 8 * 1024
"""Bytes of the smallest answer that might not fit into the buffers of the system."""

Connect = Callable[[Worker], socket.socket]


def connected(address: tuple[str, int]) -> socket.socket:
    """With little room for what is not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE * 10)
    client.connect(address)
    return client


def in_the_clear(it: Worker) -> socket.socket:
    return connected(it.plain)


def over_tls(it: Worker) -> ssl.SSLSocket:
    return trusting().wrap_socket(connected(it.tls), suppress_ragged_eofs=False)


@pytest.fixture(params=[in_the_clear, over_tls], ids=["clear", "tls"])
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Connect:
    monkeypatch.setattr(workers_http, "REQUEST_SECONDS", PATIENCE)
    monkeypatch.setattr(workers_http, "ANSWER_SECONDS", PATIENCE)
    made: Connect = request.param
    return made


async def talk(it: Worker, connect: Connect, *parts: bytes, pause: float = 0.0) -> socket.socket:
    def begin() -> socket.socket:
        client = connect(it)
        it.clients.append(client)
        client.sendall(parts[0])
        return client

    client = await asyncio.to_thread(begin)
    for part in parts[1:]:
        await asyncio.sleep(pause)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(client.sendall, part)
    return client


async def all_gone(it: Worker) -> None:
    await until(lambda: it.places.taken == 0)


@pytest.mark.parametrize("request_", [LARGE_REQUEST, LAST_REQUEST, LARGE_REQUEST * 3], ids=["one", "last", "three"])
def test_who_reads_nothing_of_an_answer_loses_the_connection(run: Run, connect: Connect, request_: bytes) -> None:
    async def body() -> None:
        async with worker() as it:
            for _ in range(3):
                await talk(it, connect, request_)
            assert it.places.taken == 3
            await all_gone(it)

    run(body())


def test_who_reads_no_answers_to_many_requests_loses_the_connection(run: Run, connect: Connect) -> None:
    """Each alone would fit into the buffers of the system."""

    async def body() -> None:
        async with worker() as it:
            await talk(it, connect, *([REQUEST] * 20), *([LARGE_REQUEST] * 3), pause=0.002)
            await all_gone(it)

    run(body())


def a_client_for_each_size(it: Worker, connect: Connect, after: bytes = b"") -> None:
    """Some leave too little for a pause, and yet more than the system takes."""
    for size in range(SMALLEST, SMALLEST * 5, 1024):
        client = connect(it)
        it.clients.append(client)
        client.sendall(b"GET /bytes/%d HTTP/1.1\r\nhost: x\r\n%s\r\n" % (size, after))


def test_what_is_left_of_an_answer_keeps_no_connection_open(
    run: Run, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casemate.custodian.workers.KEEP_ALIVE_SECONDS", PATIENCE)

    async def body() -> None:
        async with worker(1000) as it:
            await asyncio.to_thread(a_client_for_each_size, it, connect)
            await all_gone(it)

    run(body())


def test_what_is_left_of_the_last_answer_keeps_no_connection_open(run: Run, connect: Connect) -> None:
    async def body() -> None:
        async with worker(1000) as it:
            await asyncio.to_thread(a_client_for_each_size, it, connect, b"connection: close\r\n")
            await all_gone(it)

    run(body())


class Leftover(asyncio.Transport):
    """A transport that closes, with less left than makes a pause: no client can be sure to leave so little."""

    def __init__(self) -> None:
        super().__init__({"socket": socket.socket()})
        self.aborted = False

    def is_closing(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 100

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def test_what_is_left_of_the_last_answer_after_a_pause_keeps_no_connection_open(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_http, "ANSWER_SECONDS", PATIENCE)

    async def body() -> None:
        async with worker() as it:
            transport = Leftover()
            it.clients.append(transport.get_extra_info("socket"))
            protocol = BoundedProtocol(it.server.config, it.server.server_state, {})
            protocol.place = it.places.take()
            protocol.connection_made(transport)
            protocol.pause_writing()
            await asyncio.sleep(PATIENCE / 2)
            protocol.resume_writing()
            await until(lambda: transport.aborted, PATIENCE * 3)
            protocol.connection_lost(None)

    run(body())


async def after_answers_of_each_size(connect: Connect, then: Callable[[socket.socket], None]) -> None:
    async with worker(1000) as it:
        await asyncio.to_thread(a_client_for_each_size, it, connect)
        await asyncio.sleep(PATIENCE / 4)
        for client in it.clients:
            assert isinstance(client, socket.socket)
            then(client)
        await all_gone(it)


@pytest.mark.parametrize("junk", [b"\0\0\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 40_000], ids=["no", "much"])
def test_what_is_left_for_those_who_send_junk_keeps_no_connection_open(run: Run, connect: Connect, junk: bytes) -> None:
    def send(client: socket.socket) -> None:
        client.settimeout(PATIENCE / 10)
        with contextlib.suppress(OSError):
            client.sendall(junk)

    run(after_answers_of_each_size(connect, send))


def test_what_is_left_for_those_who_send_no_more_keeps_no_connection_open(
    run: Run, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casemate.custodian.workers.KEEP_ALIVE_SECONDS", PATIENCE)
    run(after_answers_of_each_size(connect, lambda client: socket.socket.shutdown(client, socket.SHUT_WR)))


def test_who_reads_nothing_and_sends_no_more_loses_the_connection(run: Run, connect: Connect) -> None:
    async def body() -> None:
        async with worker() as it:
            client = await talk(it, connect, LARGE_REQUEST)
            socket.socket.shutdown(client, socket.SHUT_WR)
            await all_gone(it)

    run(body())


@pytest.mark.parametrize("parts", [[REQUEST * 1000], [REQUEST + b"GET", b" /h", REQUEST * 100]], ids=["one", "some"])
def test_requests_ahead_of_an_answer_are_not_kept(run: Run, connect: Connect, parts: list[bytes]) -> None:
    """The first is answered, and whoever sent the others is told to send them again."""

    def read(client: socket.socket) -> bytes:
        answers = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(4096):
                answers += part
        return answers

    async def body() -> None:
        async with worker() as it:
            client = await talk(it, connect, *parts)
            answers = await asyncio.to_thread(read, client)
            assert answers.count(b"HTTP/1.1") == answers.count(b"HTTP/1.1 200 OK\r\n") == 1
            assert b"\r\nconnection: close\r\n" in answers
            assert answers.endswith(b'"well"')
            await all_gone(it)

    run(body())


@pytest.mark.parametrize("request_", [LARGE_REQUEST, LAST_REQUEST], ids=["one", "last"])
def test_who_reads_a_large_answer_slowly_gets_all_of_it(
    run: Run, connect: Connect, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casemate.custodian.workers.KEEP_ALIVE_SECONDS", PATIENCE)

    async def read(client: socket.socket) -> int:
        got, began = 0, asyncio.get_running_loop().time()
        while got < LARGE:
            part = await asyncio.to_thread(client.recv, 1 << 20)
            if not part:
                break
            got += len(part)
            # All of it in six times what anybody has to take the next part.
            await asyncio.sleep(max(0.0, began + PATIENCE * 6 * got / LARGE - asyncio.get_running_loop().time()))
        return got

    async def body() -> None:
        async with worker() as it:
            client = await talk(it, connect, request_)
            assert await read(client) >= LARGE
            client.close()
            await all_gone(it)

    run(body())


@pytest.mark.parametrize("junk", [b"\r\n", b"G", b"\r"])
def test_who_says_something_that_is_no_request_after_one_loses_the_connection(
    run: Run, connect: Connect, junk: bytes
) -> None:
    """Whatever comes stops the server library's clock for idle connections."""

    async def body() -> None:
        async with worker() as it:
            await talk(it, connect, REQUEST, junk, pause=PATIENCE / 4)
            await all_gone(it)

    run(body())


def test_the_rest_of_a_refused_body_has_an_end(run: Run, connect: Connect) -> None:
    async def body() -> None:
        async with worker() as it:
            head = b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
            await talk(it, connect, head, b"x", pause=PATIENCE / 4)
            await all_gone(it)

    run(body())


def test_nobody_waits_for_those_who_do_not_read(run: Run, connect: Connect) -> None:
    async def body() -> None:
        async with worker() as it:
            for _ in range(MOST):
                await talk(it, connect, LARGE_REQUEST)
            assert await it.ask(it.plain) == b"HTTP/1.1 200 OK\r\n"

    run(body())
