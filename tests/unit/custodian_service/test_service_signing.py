"""The signing layer: no route without a good signature, no answer without ours, whatever happens behind it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian import signing
from casemate.custodian.limits import Limits
from casemate.custodian.metrics import Metrics
from casemate.custodian.problems import Refusal
from casemate.custodian.settings import BODY_LIMIT, HEADER_LIMIT, Rate, Settings
from casemate.custodian.signing import CALL, Signing, SigningKey
from casemate.errors import SignatureError
from casemate.wire.binding import signing_key_text
from casemate.wire.signatures import content_digest, sign_request, verify_response

INSTANCE = Ed25519PrivateKey.generate()
INSTANCE_TEXT = signing_key_text(INSTANCE.public_key().public_bytes_raw())
CALLER = Ed25519PrivateKey.generate()

Headers = dict[str, str]
Route = Callable[[Any, Any, Any], Awaitable[None]]


class Keys:
    def signing_key(self) -> SigningKey:
        return SigningKey(INSTANCE, INSTANCE_TEXT, "instance-certificate", 2.0**31)


class Reply:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])

    def verify(self, request_signature: str) -> None:
        verify_response(
            self.headers,
            status=self.status,
            body=self.body,
            request_signature=request_signature,
            instance_key=INSTANCE_TEXT,
        )


async def echo(scope: Any, _receive: Any, send: Any) -> None:
    call = scope[CALL]
    who = call.signer.key if call.signer else "nobody"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": who.encode()})


def signed(method: str = "POST", path: str = "/v1/x", query: str = "", body: bytes = b"{}") -> Headers:
    made = sign_request(
        CALLER, method=method, path=path, query=query, body=body, created=int(time.time()), nonce=os.urandom(16)
    )
    return made.as_headers()


async def ask(
    headers: Headers | list[tuple[str, str]],
    *,
    method: str = "POST",
    path: str = "/v1/x",
    query: str = "",
    body: bytes | list[bytes] = b"{}",
    route: Route = echo,
    settings: Settings | None = None,
    layer: Signing | None = None,
) -> Reply:
    layer = layer or Signing(route, signer=Keys(), limits=Limits(settings or Settings()), metrics=Metrics())
    parts = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = headers.items() if isinstance(headers, dict) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "client": ("192.0.2.1", 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
    }
    await layer(scope, receive, send)
    return Reply(sent)


async def test_a_signed_request_reaches_the_route_and_its_answer_is_signed_for_it() -> None:
    headers = signed()
    reply = await ask(headers)
    assert reply.status == 200
    assert reply.body.decode() == signing_key_text(CALLER.public_key().public_bytes_raw())
    assert reply.headers["casemate-instance"] == "instance-certificate"
    reply.verify(headers["signature"])


async def test_an_answer_is_worth_nothing_for_another_request() -> None:
    reply = await ask(signed())
    with pytest.raises(SignatureError):
        reply.verify(signed()["signature"])


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET", "body": b""},
        {"path": "/v1/y"},
        {"query": "a=b"},
        {"body": b"{ }"},
        {"body": b""},
    ],
)
async def test_a_request_that_is_not_as_it_was_signed_is_refused(change: dict[str, Any]) -> None:
    reply = await ask(signed(), **change)
    assert (reply.status, reply.code) == (401, "request.unsigned")


async def test_a_request_without_a_signature_never_reaches_a_route() -> None:
    reply = await ask({"content-digest": content_digest(b"{}")})
    assert (reply.status, reply.code) == (401, "request.unsigned")
    assert "req" not in reply.headers["signature-input"]


async def test_a_refusal_is_bound_to_the_request_as_well() -> None:
    headers = signed(path="/v1/elsewhere")
    reply = await ask(headers)
    assert reply.code == "request.unsigned"
    reply.verify(headers["signature"])


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest", "content-type"])
async def test_a_header_that_counts_is_refused_when_it_comes_twice(name: str) -> None:
    headers = {**signed(), "content-type": "application/json"}
    reply = await ask([*headers.items(), (name, headers[name])])
    assert (reply.status, reply.code) == (400, "request.malformed")


@pytest.mark.parametrize("extra", [0, 1])
async def test_headers_are_bounded(extra: int) -> None:
    headers = [(name, value) for name, value in signed().items()]
    used = len("/v1/x") + sum(len(name) + len(value) for name, value in headers)
    padding = "x" * (HEADER_LIMIT - used - len("padding") + extra)
    reply = await ask([*headers, ("padding", padding)])
    assert reply.status == (413 if extra else 200)


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
async def test_a_body_is_bounded_at_its_limit(size: int, status: int) -> None:
    body = b"x" * size
    reply = await ask(signed(body=body), body=[body[:1000], body[1000:]])
    assert reply.status == status


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_read() -> None:
    reply = await ask({**signed(), "content-length": str(BODY_LIMIT + 1)}, body=[])
    assert (reply.status, reply.code) == (413, "request.too_large")
    assert reply.headers["connection"] == "close"


async def test_a_reading_call_has_no_body() -> None:
    reply = await ask(signed("GET", body=b"x"), method="GET", body=b"x")
    assert (reply.status, reply.code) == (413, "request.too_large")


async def test_chunks_are_refused() -> None:
    reply = await ask({**signed(), "transfer-encoding": "chunked"})
    assert (reply.status, reply.code) == (400, "request.malformed")


async def test_a_slow_body_ends_in_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "REQUEST_SECONDS", 0.05)
    layer = Signing(echo, signer=Keys(), limits=Limits(Settings()), metrics=Metrics())
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in signed().items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/x", "raw_path": b"/v1/x", "headers": headers}
    await layer(scope, never, send)
    reply = Reply(sent)
    assert (reply.status, reply.code) == (408, "request.timeout")


async def test_an_unexpected_failure_shows_an_id_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("the password is swordfish")

    headers = signed()
    reply = await ask(headers, route=broken)
    problem = json.loads(reply.body)
    assert (reply.status, problem["code"]) == (500, "internal")
    assert "swordfish" not in reply.body.decode()
    assert set(problem) == {"type", "title", "status", "code", "id"}
    logged = capsys.readouterr().out
    assert problem["id"] in logged
    assert "RuntimeError" in logged
    assert "swordfish" not in logged
    reply.verify(headers["signature"])


async def test_a_failure_after_part_of_an_answer_was_made_sends_none_of_it() -> None:
    async def half(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half of a secret", "more_body": True})
        raise RuntimeError

    reply = await ask(signed(), route=half)
    assert reply.status == 500
    assert b"secret" not in reply.body


async def test_a_refusal_becomes_a_problem_document() -> None:
    async def refuse(_scope: Any, _receive: Any, _send: Any) -> None:
        raise Refusal("rate.limited", retry_after=7)

    reply = await ask(signed(), route=refuse)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "7"
    assert json.loads(reply.body)["type"] == "https://casemate.dev/problems/rate.limited"


async def test_probes_need_no_signature_but_a_wrong_one_is_refused() -> None:
    assert (await ask({}, method="GET", path="/healthz", body=b"")).status == 200
    good = signed("GET", "/healthz", body=b"")
    reply = await ask(good, method="GET", path="/healthz", body=b"")
    reply.verify(good["signature"])
    assert (await ask(signed(), method="GET", path="/healthz", body=b"")).code == "request.unsigned"


@pytest.mark.parametrize("path", ["/healthz/", "/v1/healthz", "//healthz", "/healthz/../v1/policies"])
async def test_nothing_else_passes_as_a_probe(path: str) -> None:
    assert (await ask({}, method="GET", path=path, body=b"")).code == "request.unsigned"


async def test_rates_count_before_signatures_are_checked() -> None:
    one = Rate(per_second=1, burst=1)
    layer = Signing(echo, signer=Keys(), limits=Limits(Settings(other_per_client=one)), metrics=Metrics())
    assert (await ask({}, layer=layer)).code == "request.unsigned"
    assert (await ask(signed(), layer=layer)).code == "rate.limited"


@pytest.mark.parametrize("value", ["", "casemate=:x:", "other=:" + "A" * 86 + "==:", "\xff"])
async def test_a_signature_header_that_is_none_gets_an_unbound_refusal(value: str) -> None:
    reply = await ask({**signed(), "signature": value})
    assert reply.code == "request.unsigned"
    assert "req" not in reply.headers["signature-input"]
