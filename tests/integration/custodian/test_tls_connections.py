"""Over real sockets: TLS handshakes that never end count as connections, and have an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI

from casemate.custodian import workers_tls
from casemate.custodian.keys.tls import TlsSecret
from casemate.custodian.settings import Settings
from casemate.custodian.workers import servers_of
from casemate.custodian.workers_connections import Places
from casemate.custodian.workers_tls import ServerTls, TlsServer
from casemate.testing.ra_tls import certificate_with

MOST = 8
PATIENCE = 0.4
"""Seconds for a handshake in these tests, instead of ten."""

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"

Run = Callable[[Coroutine[Any, Any, None]], None]
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Workers serve on uvloop; what they promise does not depend on it."""
    monkeypatch.setattr(workers_tls, "HANDSHAKE_SECONDS", PATIENCE)
    runner: Run = request.param
    return runner


@dataclass
class Worker:
    places: Places
    plain: tuple[str, int]
    tls: tuple[str, int]
    server: TlsServer
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, address: tuple[str, int], context: ssl.SSLContext | None = None) -> Client:
        reader, writer = await asyncio.open_connection(*address, ssl=context)
        self.clients.append(writer)
        return reader, writer

    async def ask(self, address: tuple[str, int], context: ssl.SSLContext | None = None) -> bytes:
        reader, writer = await self.connect(address, context)
        writer.write(REQUEST)
        return await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE * 10)


@contextlib.asynccontextmanager
async def worker() -> AsyncIterator[Worker]:
    """As `casemate.custodian.workers.serve` makes one, with another application."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = ssl.DER_cert_to_PEM_cert(certificate_with(key=key)).encode()
    app = FastAPI()
    app.get("/healthz")(lambda: "well")
    servers = servers_of(app, Settings(max_connections=MOST), ServerTls(TlsSecret(pem, certificate)))
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in servers]
    tasks = []
    for server, listener in zip(servers, listeners, strict=True):
        listener.setblocking(False)
        tasks.append(asyncio.create_task(server._serve([listener])))
    await until(lambda: all(server.started for server in servers))
    tls = servers[1]
    assert isinstance(tls, TlsServer)
    running = Worker(tls.places, listeners[0].getsockname(), listeners[1].getsockname(), tls)
    try:
        yield running
    finally:
        for writer in running.clients:
            writer.close()
        for server in servers:
            server.should_exit = True
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for listener in listeners:
            listener.close()
        for error in ends:
            if error is not None:
                raise error


async def broken() -> None:
    raise ZeroDivisionError


async def until(condition: Callable[[], bool], seconds: float = PATIENCE * 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def ended(reader: asyncio.StreamReader, seconds: float = PATIENCE * 5) -> bytes:
    """What came before the other side closed."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(-1), seconds)
    return b""


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        trusting().wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


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
            silent = [await it.connect(it.tls) for _ in range(MOST)]
            await until(lambda: it.places.taken == MOST)
            # One more is closed at once, on either port.
            for address in (it.tls, it.plain):
                reader, _ = await it.connect(address)
                assert await ended(reader, PATIENCE / 2) == b""
            assert it.places.taken == MOST
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
            for _ in range(MOST * 10):
                await it.connect(it.tls)
            await until(lambda: it.places.taken == MOST)
            assert len(it.server._handshakes) <= MOST
            await until(lambda: it.places.taken == 0)
            assert await it.ask(it.tls, trusting()) == b"HTTP/1.1 200 OK\r\n"

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


def test_a_worker_that_accepts_no_more_ends(run: Run) -> None:
    """The keeper starts another."""

    async def body() -> None:
        async with worker() as it:
            it.server._accepting = asyncio.create_task(broken())
            await asyncio.sleep(0.3)

    with pytest.raises(ZeroDivisionError):
        run(body())


def test_a_listener_that_fails_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_tls, "_NO_ROOM_SECONDS", 0.01)

    async def body() -> None:
        async with worker() as it:
            loop: Any = asyncio.get_running_loop()
            accept: Callable[[socket.socket], Awaitable[Any]] = loop.sock_accept
            errors: list[OSError] = [OSError(24, "Too many open files"), ConnectionAbortedError()]

            class Loop:
                def __getattr__(self, name: str) -> Any:
                    return getattr(loop, name)

                async def sock_accept(self, listener: socket.socket) -> Any:
                    if errors:
                        raise errors.pop()
                    return await accept(listener)

            monkeypatch.setattr(workers_tls.asyncio, "get_running_loop", lambda: Loop())
            it.server._accepting.cancel()  # type: ignore[union-attr]  # it has started
            with contextlib.suppress(asyncio.CancelledError):
                await it.server._accepting  # type: ignore[misc]
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setblocking(False)
                it.server._accepting = asyncio.create_task(it.server._accept(listener))
                await until(lambda: not errors)
                monkeypatch.undo()
                assert await it.ask(listener.getsockname(), trusting()) == b"HTTP/1.1 200 OK\r\n"

    run(body())
