"""A custodian that tests can make lie: genuine keys, genuine signatures, over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client.custodian import CustodianClient
from casemate.wire import canonical, dsse, signatures
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_encode, format_time

SEALING_KEY = "x25519:" + "A" * 43


def text_of(key: Ed25519PrivateKey) -> str:
    return signing_key_text(key.public_key().public_bytes_raw())


@dataclass(frozen=True)
class Certificate:
    """What an instance certificate says, and who signs it. Made from the outside in, so that tests change any part."""

    custodian: str
    key: str
    signers: tuple[Ed25519PrivateKey, ...]
    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10))
    lifetime: timedelta = timedelta(hours=24)
    payload_type: str = dsse.INSTANCE_TYPE
    more: dict[str, Any] = field(default_factory=dict)

    def header(self) -> str:
        payload = {
            "casemate_instance": 1,
            "custodian": self.custodian,
            "key": self.key,
            "sealing_key": SEALING_KEY,
            "not_before": format_time(self.start),
            "not_after": format_time(self.start + self.lifetime),
            **self.more,
        }
        envelope = dsse.sign_envelope(self.payload_type, payload, list(self.signers))
        return b64u_encode(canonical.encode(envelope.to_object()))


@dataclass(frozen=True)
class Reply:
    """An answer on its way."""

    status: int
    headers: dict[str, str]
    body: bytes

    def with_headers(self, **headers: str | None) -> Reply:
        changed = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return replace(self, headers={name: value for name, value in changed.items() if value is not None})


@dataclass(frozen=True)
class Asked:
    """A request as it came. `signature` is what an answer must be bound to."""

    method: str
    target: str
    signature: str
    body: bytes


class FakeCustodian:
    """Answers what `answer` says, signed; `change` may then do to it what a host can do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.identity_key, self.instance_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.genesis = make_genesis(self.identity_key)
        self.status, self.value = 200, self._about()
        self.change: Callable[[Reply, Asked], Reply] = lambda reply, _asked: reply
        self.asked: list[Asked] = []

    def client(self, key: Ed25519PrivateKey | None = None) -> CustodianClient:
        return CustodianClient(self.url, self.genesis, key)

    def certificate(self, **changes: Any) -> Certificate:
        made = Certificate(self.genesis.identity(), text_of(self.instance_key), (self.identity_key,))
        return replace(made, **changes)

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.change(self.signed(self.status, canonical.encode(self.value), asked.signature), asked)

    def signed(
        self,
        status: int,
        body: bytes,
        request_signature: str | None,
        *,
        certificate: Certificate | None = None,
        instance: str | None = None,
        key: Ed25519PrivateKey | None = None,
        **headers: str,
    ) -> Reply:
        instance = instance or (certificate or self.certificate()).header()
        signed = signatures.sign_response(
            key or self.instance_key,
            status=status,
            body=body,
            instance=instance,
            request_signature=request_signature,
            created=int(time.time()),
            keyid=text_of(key or self.instance_key),
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"content-type": "application/json", "casemate-instance": instance}
        return Reply(status, {**kind, **signed.as_headers(), **named}, body)

    def _about(self) -> dict[str, Any]:
        record = canonical.encode(self.genesis.to_object())
        return {
            "genesis": b64u_encode(record),
            "identity": self.genesis.identity(),
            "version": "0.1.0",
            "time": format_time(datetime.now(UTC)),
        }


def make_genesis(identity_key: Ed25519PrivateKey) -> CustodianGenesis:
    return canonical.parse_model(
        CustodianGenesis,
        {
            "casemate_custodian": 1,
            "name": "fake",
            "board": {
                "principals": {"board": {"key": text_of(Ed25519PrivateKey.generate())}},
                "rule": {"any": ["board"]},
            },
            "identity_key": text_of(identity_key),
            "random": b64u_encode(bytes(32)),
        },
        what="genesis",
    )


@pytest.fixture
def custodian() -> Iterator[FakeCustodian]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            reply = fake.reply(Asked(self.command, self.path, self.headers["signature"], body))
            self.send_response_only(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeCustodian(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()
