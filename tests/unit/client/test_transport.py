"""Limits of size and time, and failures of the network: `UnreachableError` or `NotGenuineError`, never a hang."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from casemate.client import transport
from casemate.client.addresses import parse_address
from casemate.client.custodian import CustodianClient
from casemate.client.transport import Connection
from casemate.errors import NotGenuineError, UnreachableError, UsageError

from .conftest import FakeCustodian

DROPS = 300
"""Of a trickle: three seconds of it."""


@contextmanager
def _server(serve: Callable[[socket.socket], None]) -> Iterator[Connection]:
    """A connection to somebody who does what `serve` does to each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        client = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield client
        finally:
            client.close()
            thread.join()


def _trickle(begin: bytes, drop: bytes, end: bytes) -> Callable[[socket.socket], None]:
    """An answer that is whole in the end, if somebody waits for it."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(begin)
        pause = threading.Event()
        for _ in range(DROPS):
            pause.wait(0.01)
            connection.sendall(drop)
        connection.sendall(end)

    return serve


@pytest.mark.parametrize(
    ("begin", "drop", "end"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % DROPS, b" ", b""),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", b"content-length: 0\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ],
    ids=["body", "headers", "early answers"],
)
def test_a_trickle_is_cut_off(monkeypatch: pytest.MonkeyPatch, begin: bytes, drop: bytes, end: bytes) -> None:
    monkeypatch.setattr(transport, "LONGEST_CALL_SECONDS", 0.2)
    with _server(_trickle(begin, drop, end)) as connection, pytest.raises(UnreachableError):
        connection.exchange("GET", "/", b"", {})


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 99 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\xff" * 100,
    ],
)
def test_what_is_no_http_is_no_custodian(said: bytes) -> None:
    with _server(lambda peer: peer.sendall(said)) as connection, pytest.raises(UnreachableError) as refused:
        connection.exchange("GET", "/", b"", {})
    assert refused.value.step == "custodian.connect"


def test_nobody_there_says_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"no custodian answers at http://127.0.0.1:{port}") as refused:
        Connection(f"http://127.0.0.1:{port}").exchange("GET", "/", b"", {})
    assert "casemate custodian serve" in str(refused.value.remedy)


def test_the_largest_answer_passes_and_one_byte_more_does_not(
    custodian: FakeCustodian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 100_000)
    connection = Connection(custodian.url)
    custodian.change = lambda reply, _: replace(reply, body=b"x" * 100_000)
    assert connection.exchange("GET", "/", b"", {"signature": "casemate=:" + "A" * 86 + "==:"}).body == b"x" * 100_000
    custodian.change = lambda reply, _: replace(reply, body=b"x" * 100_001)
    with pytest.raises(NotGenuineError, match="without end"):
        connection.exchange("GET", "/", b"", {"signature": "casemate=:" + "A" * 86 + "==:"})
    connection.close()


def test_a_client_goes_on_after_a_failure(custodian: FakeCustodian) -> None:
    with custodian.client() as client:
        custodian.change = lambda reply, _: reply.with_headers(content_length="100000", connection="close")
        with pytest.raises((UnreachableError, NotGenuineError)):
            client.custodian()
        custodian.change = lambda reply, _: reply
        assert client.custodian().identity == custodian.genesis.identity()


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:7700", ("http", "127.0.0.1", 7700)),
        ("http://[::1]:7700/", ("http", "::1", 7700)),
        ("https://custodian.example", ("https", "custodian.example", 443)),
        ("http://custodian.example", ("http", "custodian.example", 80)),
        ("HTTP://Custodian.example:1", ("http", "custodian.example", 1)),
    ],
)
def test_addresses_are_scheme_host_and_port(url: str, parts: tuple[str, str, int]) -> None:
    address = parse_address(url)
    assert (address.scheme, address.host, address.port) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "127.0.0.1:7700", "ftp://x", "file:///etc/passwd", "http://", "http://:7700", "http://[::1", "http://x:y",
        "http://x:0", "http://x:65536", "http://x/path", "http://x?q", "http://x#f", "http://user@x", "http://:pw@x",
        "http://x y", "http://x\n.example", "http://x\0",
    ],
)  # fmt: skip
def test_everything_else_is_no_address(custodian: FakeCustodian, url: str) -> None:
    with pytest.raises(UsageError, match="not a custodian's URL"):
        CustodianClient(url, custodian.genesis, None)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a?b", "a#b", "%2e%2e", "a b", "ä", "a\n"])
def test_what_a_person_types_never_becomes_another_path(custodian: FakeCustodian, text: str) -> None:
    with custodian.client() as client:
        for call in (client.decision, client.policy, client.versions, client.decisions):
            with pytest.raises(UsageError, match="not an identifier"):
                call(text)
    assert custodian.asked == []
