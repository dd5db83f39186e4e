"""Everything around a route: limits, the request's signature, the answer's signature (spec/protocol.md).

    1. a place in the house and a token from the bucket, before a byte of the body is read
    2. the body, within its limit and ten seconds
    3. the request's signature; without a good one the route is never reached
    4. the route
    5. whatever came of it, as an answer or a problem document, signed by the instance key and bound to the request

Pure ASGI, without the framework's middleware classes: this runs for every request.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian.limits import Limits, Reservation, RouteClass, classify
from casemate.custodian.metrics import Metrics
from casemate.custodian.problems import Refusal
from casemate.custodian.settings import HEADER_LIMIT, REQUEST_SECONDS
from casemate.errors import CasemateError
from casemate.wire.problem import PROBLEM_TYPE
from casemate.wire.signatures import RequestSignature, sign_response, verify_request

__all__ = ["CALL", "AnswerSigner", "Call", "Signing", "SigningKey"]

CALL: Final = "casemate.call"
"""Key of the ASGI scope under which routes find the `Call`."""

_FRAMES: Final = 12
"""Innermost frames of a failure in the log."""

_SINGLE_HEADERS: Final = frozenset({"content-digest", "signature-input", "signature", "content-type", "content-length"})
"""Twice one of these and two readers could see two requests."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger("casemate.custodian")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The instance key of this hour: `text` is `ed25519:…`, `header` the Casemate-Instance header, `not_after` when the
    certificate in it ends (Unix seconds).
    """

    key: Ed25519PrivateKey
    text: str
    header: str
    not_after: float


class AnswerSigner(Protocol):
    """Where the signing layer gets the instance key: renewed behind its back."""

    def signing_key(self) -> SigningKey: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose signature verified. `signer` is None only where a route asks for none (`RouteClass`)."""

    signer: RequestSignature | None
    body: bytes
    headers: dict[str, str]


class _GoneError(Exception):
    """The client went away: there is nobody to answer."""


class _Answer:
    """What the route sent, kept until it is signed."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(n, v) for n, v in message.get("headers", []) if n != b"content-length"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    @classmethod
    def of(cls, refusal: Refusal) -> _Answer:
        answer = cls()
        answer.status = refusal.status
        answer.body = refusal.problem(secrets.token_hex(8)).model_dump_json(exclude_none=True).encode()
        answer.headers = [(b"content-type", PROBLEM_TYPE.encode())]
        answer.headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        return answer


class Signing:
    """The ASGI layer. `inner` is the router; it finds the verified `Call` in its scope."""

    def __init__(self, inner: App, *, signer: AnswerSigner, limits: Limits, metrics: Metrics) -> None:
        self._inner = inner
        self._signer = signer
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Start and stop of the server. There are no WebSockets: nothing reaches a route unsigned.
            if scope["type"] == "lifespan":
                await self._inner(scope, receive, send)
            return
        started = time.perf_counter()
        bound: str | None = None
        try:
            headers = _header_map(scope)
            bound = headers.get("signature")
            answer = await self._answer(scope, receive, headers)
        except _GoneError:
            return
        except Refusal as refusal:
            answer = _Answer.of(refusal)
        await self._send_signed(answer, bound, send)
        self._metrics.request(_route_of(scope), answer.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, headers: dict[str, str]) -> _Answer:
        route = classify(scope["path"])
        client = scope.get("client")
        self._limits.take(route, client[0] if client else "")
        with self._limits.gate.enter() as reservation:
            body = await _read_body(scope, receive, headers, route, reservation)
            scope[CALL] = Call(_verified(scope, headers, body, route), body, headers)
            return await self._route(scope)

    async def _route(self, scope: Scope) -> _Answer:
        answer = _Answer()
        try:
            await self._inner(scope, _no_more, answer.send)
        except Refusal:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a signed answer and no traceback
            # What went wrong stays inside; whoever asked gets the id to tell the operator.
            failure = secrets.token_hex(8)
            _log.error("request failed", id=failure, route=_route_of(scope), **_told(error))
            return _Answer.of(Refusal("internal", id=failure))
        return answer

    async def _send_signed(self, answer: _Answer, bound: str | None, send: Send) -> None:
        instance = self._signer.signing_key()
        signed = _sign(instance, answer, bound)
        answer.headers += [(name.encode(), value.encode()) for name, value in signed.items()]
        answer.headers.append((b"casemate-instance", instance.header.encode()))
        answer.headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


def _sign(instance: SigningKey, answer: _Answer, bound: str | None) -> dict[str, str]:
    def sign(request_signature: str | None) -> dict[str, str]:
        return sign_response(
            instance.key,
            status=answer.status,
            body=answer.body,
            instance=instance.header,
            request_signature=request_signature,
            created=int(time.time()),
            keyid=instance.text,
        ).as_headers()

    try:
        return sign(bound)
    except CasemateError:
        # The Signature header is not one: no caller of ours sent it, and none believes an answer not bound to it.
        return sign(None)


def _header_map(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        text = name.decode("latin-1").lower()
        if text in headers and text in _SINGLE_HEADERS:
            raise Refusal("request.malformed")
        headers[text] = value.decode("latin-1")
    if size > HEADER_LIMIT:
        raise Refusal("request.too_large")
    return headers


async def _read_body(
    scope: Scope, receive: Receive, headers: dict[str, str], route: RouteClass, reservation: Reservation
) -> bytes:
    if "transfer-encoding" in headers:
        # Chunks could bring headers after the body, without end; nobody who signs a body needs them.
        raise Refusal("request.malformed", headers={"connection": "close"})
    limit = route.body_limit if scope["method"] == "POST" else 0
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise Refusal("request.too_large", headers={"connection": "close"})
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await _collect(receive, limit, reservation)
    except TimeoutError as error:
        raise Refusal("request.timeout", headers={"connection": "close"}) from error


async def _collect(receive: Receive, limit: int, reservation: Reservation) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        part = message.get("body", b"")
        more = message.get("more_body", False)
        reservation.grow(len(part))
        if reservation.bytes > limit:
            raise Refusal("request.too_large", headers={"connection": "close"})
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _verified(scope: Scope, headers: dict[str, str], body: bytes, route: RouteClass) -> RequestSignature | None:
    if not route.signed and "signature" not in headers:
        return None
    path, query = _target(scope)
    try:
        return verify_request(headers, method=scope["method"], path=path, query=query, body=body)
    except CasemateError as error:
        raise Refusal("request.unsigned") from error


def _target(scope: Scope) -> tuple[str, str]:
    """Path and query as they were sent."""
    raw = scope.get("raw_path") or scope["path"].encode()
    with contextlib.suppress(UnicodeDecodeError):
        return raw.partition(b"?")[0].decode("ascii"), scope.get("query_string", b"").decode("ascii")
    raise Refusal("request.malformed")


def _route_of(scope: Scope) -> str:
    """The route's template, so that labels and logs never hold what a caller wrote."""
    return getattr(scope.get("route"), "path", "(none)")


def _told(error: Exception) -> dict[str, Any]:
    """What a log may hold of a failure: no local variables, and messages only of errors that never hold a secret."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    message = error.message if isinstance(error, CasemateError) else None
    return {"error": type(error).__name__, "message": message, "frames": frames[-_FRAMES:]}


async def _no_more() -> Message:
    # The body was read already; the router has nothing to wait for.
    return {"type": "http.request", "body": b"", "more_body": False}
