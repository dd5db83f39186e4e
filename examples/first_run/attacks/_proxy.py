"""A proxy of the host between shield and custodian: records, and answers itself where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

__all__ = ["Exchange", "Recorder", "proxy"]


@dataclass(frozen=True)
class Exchange:
    """One request and the custodian's answer to it. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer_headers: dict[str, str]
    answer: bytes


@dataclass
class Recorder:
    address: str
    exchanges: list[Exchange] = field(default_factory=list)

    def attestation(self) -> Exchange:
        return next(item for item in self.exchanges if item.path == "/v1/attestations")


_KEPT = ("content-type", "content-digest", "casemate-instance", "signature-input", "signature")


@contextmanager
def proxy(upstream: str, change: Callable[[Exchange], Exchange] = lambda exchange: exchange) -> Iterator[Recorder]:
    """Runs while the block does; `change` may replace answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = {name: headers[name] for name in _KEPT if name in headers}
            got = httpx.post(upstream + self.path, content=body, headers=sent, timeout=10, trust_env=False)
            answer_headers = {name: got.headers[name] for name in _KEPT if name in got.headers}
            exchange = Exchange("POST", self.path, headers, body, got.status_code, answer_headers, got.content)
            exchange = change(exchange)
            recorder.exchanges.append(exchange)
            self.send_response(exchange.status)
            for name, value in exchange.answer_headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(exchange.answer)))
            self.end_headers()
            self.wfile.write(exchange.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder = Recorder(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
