"""The vendors' services in this process, for as long as a block lasts: what they publish, and how they are at times."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, parse_certificate_table
from casemate.attestation.wanted import Wanted
from casemate.wire.evidence import Endorsements

__all__ = ["Answer", "Service", "amd_publishes", "service", "with_chain"]


@dataclass
class Answer:
    """`first` are statuses that are answered before the real one, in turn; `seconds` is how long each takes."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    retry_after: str | None = None
    status: int = 200
    seconds: float = 0.0


@dataclass
class Service:
    """At `url`; `asked` are the paths that were asked for, in order."""

    url: str
    answers: dict[str, Answer]
    asked: list[str] = field(default_factory=list)


@contextmanager
def service(answers: Mapping[str, Answer]) -> Iterator[Service]:
    """What is not in `answers`, by path, is not found."""
    made = Service("", dict(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            answer = made.answers.get(self.path, Answer(b"", status=404))
            time.sleep(answer.seconds)
            status = answer.first.pop(0) if answer.first else answer.status
            self.send_response(status)
            if status != answer.status and answer.retry_after is not None:
                self.send_header("Retry-After", answer.retry_after)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            body = answer.body if status == answer.status else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Tests speak for themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def amd_publishes(wanted: tuple[Wanted, ...], endorsements: Endorsements) -> dict[str, Answer]:
    """As AMD's service would answer for a chip whose endorsements these are."""
    table = parse_certificate_table(endorsements.certificates)
    chain, crl, vcek = (one.path for one in wanted)
    pem = b"".join(_pem(table[place]) for place in (ASK, ARK))
    return {chain: Answer(pem), crl: Answer(endorsements.crls[0]), vcek: Answer(table[VCEK])}


def with_chain(body: bytes, header: str, chain: bytes) -> Answer:
    """As Intel's service answers: the certificates in a header."""
    return Answer(body, {header: quote(chain.decode())})


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
