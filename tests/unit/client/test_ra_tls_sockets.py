"""Sockets of attested connections carry nothing before their certificate verified, and nothing in the clear."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import WantedPeer
from casemate.claims import VerifiedClaims
from casemate.client.ra_tls import AttestedContext, Peer, PeerRefusedError, attested_context, refusal_in
from casemate.custodian.keys.tls import issue_tls
from casemate.simulator import pki
from casemate.testing.ra_tls import Domain, TlsServer

CUSTODIAN = "sha256:" + "c" * 64
OTHER = "sha256:" + "d" * 64


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return Domain(pki.create(tmp_path_factory.mktemp("own") / "platform"), CUSTODIAN)


@pytest.fixture
def server(domain: Domain, tmp_path: Path) -> Iterator[TlsServer]:
    now = datetime.now(UTC).timestamp()
    secret = issue_tls(domain.carried, start=now - 60, end=now + 3600)
    with TlsServer(secret.key, secret.certificate, tmp_path) as running:
        yield running


@pytest.fixture
def address(server: TlsServer) -> tuple[str, int]:
    return "127.0.0.1", server.port


def context(domain: Domain, custodian: str = CUSTODIAN, heard: Callable[[VerifiedClaims], None] | None = None) -> Any:
    """Who accepts that domain, under that custodian."""
    runtimes, manifests = frozenset({f"sha384:{domain.measurement.hex()}"}), frozenset({domain.manifest})
    roots = Roots(simulated=frozenset({domain.platform.root_fingerprint}))
    return attested_context(Peer(WantedPeer(custodian, runtimes, manifests), roots, heard=heard))


def _file() -> io.BytesIO:
    return io.BytesIO(b"secret")


MOVING: dict[str, Callable[[Any], Any]] = {
    "read": lambda session: session.read(1),
    "read into": lambda session: session.read(1, bytearray(1)),
    "write": lambda session: session.write(b"secret"),
    "send": lambda session: session.send(b"secret"),
    "sendall": lambda session: session.sendall(b"secret"),
    "sendto": lambda session: session.sendto(b"secret", session.getpeername()),
    "sendfile": lambda session: session.sendfile(_file()),
    "recv": lambda session: session.recv(1),
    "recv_into": lambda session: session.recv_into(bytearray(1)),
    "recvfrom": lambda session: session.recvfrom(1),
    "recvfrom_into": lambda session: session.recvfrom_into(bytearray(1)),
    "unwrap": lambda session: session.unwrap(),
    "makefile": lambda session: session.makefile("rb").read(1),
    "makefile to write": lambda session: session.makefile("wb", buffering=0).write(b"secret"),
}
"""All of `ssl.SSLSocket` that moves bytes; what it refuses itself is left out."""

moving = pytest.mark.parametrize("move", MOVING.values(), ids=MOVING)


def test_nothing_that_moves_bytes_is_forgotten() -> None:
    """Another version of Python may have more."""
    names = ("send", "recv", "read", "write")
    public = {name for kind in (ssl.SSLSocket, socket.socket) for name in dir(kind) if name.startswith(names)}
    never = {"sendmsg", "sendmsg_afalg", "recvmsg", "recvmsg_into"}
    assert public - never == {name for name in MOVING if name in public}


@moving
def test_before_the_handshake_nothing_moves(
    domain: Domain, server: TlsServer, address: tuple[str, int], move: Callable[[Any], Any]
) -> None:
    """OpenSSL would make the handshake by itself, and nobody would look at the certificate."""
    with socket.create_connection(address, timeout=5) as plain:
        put_off = ssl.SSLContext.wrap_socket(context(domain), plain, do_handshake_on_connect=False)
        with put_off, pytest.raises(ssl.SSLError, match="no attested connection"):
            move(put_off)
    assert bytes(server.heard) == b""


def test_a_handshake_that_nobody_looked_at_is_none(domain: Domain, server: TlsServer, address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=5) as plain:
        put_off = ssl.SSLContext.wrap_socket(context(domain), plain, do_handshake_on_connect=False)
        with put_off:
            ssl.SSLSocket.do_handshake(put_off)
            assert put_off.version() == "TLSv1.3"
            with pytest.raises(ssl.SSLError, match="no attested connection"):
                put_off.send(b"secret")
    assert bytes(server.heard) == b""


@moving
def test_after_its_end_nothing_moves_in_the_clear(
    domain: Domain, address: tuple[str, int], move: Callable[[Any], Any]
) -> None:
    with socket.create_connection(address, timeout=5) as plain, context(domain).wrap_socket(plain) as session:
        session.sendall(b"x")
        session.shutdown(socket.SHUT_RD)
        with pytest.raises(ssl.SSLError, match="no attested connection"):
            move(session)


def test_a_connection_that_is_put_off_is_not_to_be_had(domain: Domain, server: TlsServer) -> None:
    for blocking in (True, False):
        with context(domain, OTHER).wrap_socket(socket.socket()) as session:
            session.setblocking(blocking)
            with pytest.raises(ValueError, match="begins with its handshake"):
                session.connect_ex(("127.0.0.1", server.port))
            with pytest.raises(ssl.SSLError, match="no attested connection"):
                session.send(b"secret")
    assert bytes(server.heard) == b""


def test_a_connection_that_does_not_wait_is_not_to_be_had(domain: Domain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with context(domain).wrap_socket(socket.socket()) as session:
            session.setblocking(False)
            with pytest.raises(ValueError, match="begins with its handshake"):
                session.connect(listener.getsockname())
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_who_was_refused_is_hung_up_on(domain: Domain, server: TlsServer, address: tuple[str, int]) -> None:
    with context(domain, OTHER).wrap_socket(socket.socket()) as session:
        with pytest.raises(PeerRefusedError):
            session.connect(address)
        assert session.fileno() == -1
        with pytest.raises(OSError, match="no attested connection"):
            session.send(b"secret")
    assert bytes(server.heard) == b""


def test_whatever_goes_wrong_with_the_verification_ends_the_connection(
    domain: Domain, server: TlsServer, address: tuple[str, int]
) -> None:
    def broken(_claims: VerifiedClaims) -> None:
        raise LookupError("the caller's own")

    with context(domain, heard=broken).wrap_socket(socket.socket()) as session:
        with pytest.raises(LookupError):
            session.connect(address)
        assert session.fileno() == -1
    with socket.create_connection(address) as plain:
        number = plain.fileno()
        with pytest.raises(LookupError):
            context(domain, heard=broken).wrap_socket(plain)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    assert bytes(server.heard) == b""


def test_a_connection_that_is_not_made_ends_the_socket(domain: Domain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()
    with context(domain).wrap_socket(socket.socket()) as session:
        with pytest.raises(ConnectionRefusedError):
            session.connect(nobody)
        assert session.fileno() == -1


def test_a_server_that_does_not_answer_gets_nothing(domain: Domain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, context(domain).wrap_socket(socket.socket()) as session:
        session.settimeout(0.05)
        with pytest.raises(TimeoutError):
            session.connect(silent.getsockname())
        assert session.fileno() == -1


def test_http_client_speaks_with_the_server_that_is_wanted_alone(
    domain: Domain, server: TlsServer, address: tuple[str, int]
) -> None:
    connection = http.client.HTTPSConnection(*address, context=context(domain), timeout=5)
    connection.request("POST", "/", body=b"x")
    with connection.getresponse() as answer:
        assert answer.read() == b"ok"
    connection.close()
    server.heard.clear()
    refusing = http.client.HTTPSConnection(*address, context=context(domain, OTHER), timeout=5)
    with pytest.raises(PeerRefusedError):
        refusing.request("POST", "/", body=b"secret")
    refusing.close()
    assert bytes(server.heard) == b""


def test_urllib_speaks_with_the_server_that_is_wanted_alone(domain: Domain, server: TlsServer) -> None:
    def ask(trusting: AttestedContext) -> bytes:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)
        )
        with opener.open(f"https://127.0.0.1:{server.port}/", data=b"x", timeout=5) as answer:
            read: bytes = answer.read()
            return read

    assert ask(context(domain)) == b"ok"
    server.heard.clear()
    with pytest.raises(urllib.error.URLError) as refused:
        ask(context(domain, OTHER))
    assert isinstance(refused.value.reason, PeerRefusedError)
    assert getattr(refusal_in(refused.value.reason), "step", None) == "ra_tls.custodian"
    assert bytes(server.heard) == b""
