"""A worker's servers on real sockets, with an application of its own, and clients that do what they should not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI, Response

from casemate.custodian import workers_doors
from casemate.custodian.keys.tls import TlsSecret
from casemate.custodian.settings import Settings
from casemate.custodian.workers import servers_of
from casemate.custodian.workers_connections import Places
from casemate.custodian.workers_doors import PlacedServer
from casemate.custodian.workers_tls import ServerTls
from casemate.testing.ra_tls import certificate_with

__all__ = [
    "LARGE",
    "MOST",
    "PATIENCE",
    "REQUEST",
    "Client",
    "Run",
    "Worker",
    "client_hello",
    "ended",
    "run",
    "trusting",
    "until",
    "worker",
]

MOST = 8
PATIENCE = 0.4
"""Seconds for a handshake in these tests, instead of ten."""

LARGE = 24 * 1024 * 1024
"""Bytes of an answer that no buffer of the system holds."""

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"

Run = Callable[[Coroutine[Any, Any, None]], None]
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Workers serve on uvloop; what they promise does not depend on it."""
    monkeypatch.setattr(workers_doors, "HANDSHAKE_SECONDS", PATIENCE)
    runner: Run = request.param
    return runner


@dataclass
class Worker:
    places: Places
    plain: tuple[str, int]
    tls: tuple[str, int]
    server: PlacedServer
    clients: list[asyncio.StreamWriter | socket.socket] = field(default_factory=list)

    async def connect(self, address: tuple[str, int], context: ssl.SSLContext | None = None) -> Client:
        reader, writer = await asyncio.open_connection(*address, ssl=context)
        self.clients.append(writer)
        return reader, writer

    async def ask(self, address: tuple[str, int], context: ssl.SSLContext | None = None) -> bytes:
        reader, writer = await self.connect(address, context)
        writer.write(REQUEST)
        return await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE * 10)


@contextlib.asynccontextmanager
async def worker(most: int = MOST, listeners: list[socket.socket] | None = None) -> AsyncIterator[Worker]:
    """As `casemate.custodian.workers.serve` makes one, with another application."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = ssl.DER_cert_to_PEM_cert(certificate_with(key=key)).encode()
    app = FastAPI()
    app.get("/healthz")(lambda: "well")
    app.get("/bytes/{size}")(lambda size: Response(bytes(int(size))))
    app.get("/large")(lambda: Response(bytes(LARGE)))
    servers = servers_of(app, Settings(max_connections=most), ServerTls(TlsSecret(pem, certificate)))
    listeners = [one.dup() for one in listeners or []] or [socket.create_server(("127.0.0.1", 0)) for _ in servers]
    tasks = []
    for server, listener in zip(servers, listeners, strict=True):
        tasks.append(asyncio.create_task(server._serve([listener])))
    await until(lambda: all(server.started for server in servers))
    running = Worker(servers[1].places, listeners[0].getsockname(), listeners[1].getsockname(), servers[1])
    try:
        yield running
    finally:
        for client in running.clients:
            client.close()
        for server in servers:
            server.should_exit = True
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for listener in listeners:
            listener.close()
        for error in ends:
            if error is not None:
                raise error


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
