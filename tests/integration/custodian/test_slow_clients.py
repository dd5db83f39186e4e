"""Over real sockets: clients that are slow, endless or broken are dropped, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian import signing, workers_http
from casemate.custodian.settings import HEADER_LIMIT, Settings
from casemate.custodian.workers import servers_of
from casemate.wire.signatures import sign_request

from .conftest import House, make_app

PATIENCE = 0.4
"""Seconds to send a request in these tests, instead of ten."""


@dataclass
class Server:
    address: tuple[str, int]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def challenge(self) -> httpx.Response:
        key = Ed25519PrivateKey.generate()
        signed = sign_request(
            key,
            method="POST",
            path="/v1/challenges",
            query="",
            body=b"{}",
            created=int(time.time()),
            nonce=os.urandom(16),
        )
        headers = {"content-type": "application/json", **signed.as_headers()}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.address[1]}") as client:
            return await client.post("/v1/challenges", content=b"{}", headers=headers)


@contextlib.asynccontextmanager
async def serving(house: House, settings: Settings) -> AsyncIterator[Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    app = make_app(house.parts, house.platform, settings)
    (server,) = servers_of(app, settings, None)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test runner has its own
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    running = Server(listening.getsockname())
    try:
        yield running
    finally:
        await running.close()
        server.should_exit = True
        await task


@pytest.fixture
async def server(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(signing, "REQUEST_SECONDS", PATIENCE)
    monkeypatch.setattr(workers_http, "REQUEST_SECONDS", PATIENCE)
    async with serving(house, Settings(max_connections=20)) as running:
        yield running


async def dropped(reader: asyncio.StreamReader) -> bytes:
    """What came before the connection ended."""
    try:
        return await asyncio.wait_for(reader.read(-1), PATIENCE * 10)
    except ConnectionResetError:
        return b""


async def test_clients_that_send_nothing_or_half_a_request_do_not_keep_others_waiting(server: Server) -> None:
    halves = (b"", b"POST /v1/chal", b"POST /v1/challenges HTTP/1.1\r\nhost: x\r\n", b"GET / HT")
    connections = [await server.connect() for _ in range(12)]
    for n, (_, writer) in enumerate(connections):
        writer.write(halves[n % len(halves)])
    started = time.perf_counter()
    assert (await server.challenge()).status_code == 200
    assert time.perf_counter() - started < PATIENCE
    for reader, writer in connections:
        assert await dropped(reader) == b""
        writer.close()


async def test_a_body_that_does_not_come_is_answered_and_dropped(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"POST /v1/challenges HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert (await server.challenge()).status_code == 200
    assert (await dropped(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_headers_that_trickle_in_for_ever_are_dropped(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
    started = time.perf_counter()
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof() and time.perf_counter() - started < PATIENCE * 5:
            writer.write(b"a: b\r\n")
            await writer.drain()
            await asyncio.sleep(PATIENCE / 10)
    assert time.perf_counter() - started < PATIENCE * 3
    writer.close()


async def test_headers_without_end_are_dropped_before_they_fill_the_memory(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof() and sent < HEADER_LIMIT * 100:
            writer.write(b"a: " + b"b" * 8000 + b"\r\n")
            await writer.drain()
            sent += 8000
            await asyncio.sleep(0)
    assert sent < HEADER_LIMIT * 100
    writer.close()


@pytest.mark.parametrize(
    "request_line",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
async def test_what_is_no_http_is_dropped(server: Server, request_line: bytes) -> None:
    reader, writer = await server.connect()
    writer.write(request_line)
    assert b" 200 " not in await dropped(reader)
    assert (await server.challenge()).status_code == 200
    writer.close()


async def test_chunked_bodies_with_endless_trailers_are_refused_at_once(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"POST /v1/challenges HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n")
    assert (await dropped(reader)).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_connections_are_bounded_and_come_back(server: Server) -> None:
    started = time.perf_counter()
    connections = [await server.connect() for _ in range(20)]
    # One more waits until those that say nothing are dropped.
    assert (await server.challenge()).status_code == 200
    assert time.perf_counter() - started > PATIENCE / 2
    for old, closing in connections:
        assert await dropped(old) == b""
        closing.close()


async def test_nothing_names_the_software_behind_it(server: Server) -> None:
    assert not {"server", "date"} & set((await server.challenge()).headers)
