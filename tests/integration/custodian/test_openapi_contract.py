"""The service against its own OpenAPI document, driven by schemathesis: no failure, answers as they are described."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from casemate.custodian.openapi import document, render
from casemate.simulator import pki
from casemate.wire.signatures import sign_request

from .conftest import make_app
from .parts import make_parts

SCHEMA = schemathesis.openapi.from_dict(document())
CALLER = Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def app(platform: pki.SimulatedPlatform) -> FastAPI:
    return make_app(make_parts(platform.root_fingerprint), platform)


async def ask(app: FastAPI, request: httpx.Request) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        return await client.send(request)


def signed(method: str, url: httpx.URL, body: bytes, headers: dict[str, str]) -> httpx.Request:
    """The request as schemathesis made it, signed over what is really sent."""
    made = sign_request(
        CALLER,
        method=method,
        path=url.raw_path.partition(b"?")[0].decode(),
        query=url.query.decode(),
        body=body,
        created=int(time.time()),
        nonce=os.urandom(16),
    )
    kept = {name: text for name, text in headers.items() if name.lower() in {"content-type", "accept"}}
    return httpx.Request(method, url, content=body, headers={**kept, **made.as_headers()})


@SCHEMA.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_every_call_answers_as_the_document_says(
    case: schemathesis.Case, app: FastAPI, loop: asyncio.AbstractEventLoop
) -> None:
    arguments: dict[str, Any] = case.as_transport_kwargs(base_url="http://custodian")
    url = httpx.URL(arguments["url"], params=arguments.get("params") or None)
    body = arguments.get("data") or b""
    if "json" in arguments and arguments["json"] is not None:
        body = json.dumps(arguments["json"]).encode()
    body = body if isinstance(body, bytes) else str(body).encode()
    headers = {"content-type": "application/json"} if body else {}
    request = signed(arguments["method"], url, body, headers)
    response = loop.run_until_complete(ask(app, request))
    checked = schemathesis.Response.from_httpx(response, verify=True)
    case.validate_response(checked, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])


def test_the_document_is_the_same_each_time_and_complete() -> None:
    assert render() == render()
    paths = document()["paths"]
    assert {"/v1/attestations", "/v1/policies/{genesis}/versions", "/v1/leases/{id}/renewals"} <= set(paths)
    for path, item in paths.items():
        for operation in item.values():
            assert "200" in operation["responses"] or "201" in operation["responses"], path
