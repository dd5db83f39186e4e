"""What routes share: the verified call, its body as a model, an answer, and what the OpenAPI document says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from casemate.custodian.app_context import Custodian
from casemate.custodian.problems import Refusal
from casemate.custodian.settings import ATTESTATION_BODY_LIMIT
from casemate.custodian.signing import CALL, Call
from casemate.errors import InputError, MalformedError
from casemate.wire import canonical
from casemate.wire.fields import Model, b64u_decode

__all__ = ["answer", "body_of", "call", "call_of", "custodian_of", "genesis_of", "lease_of", "query_of"]

M = TypeVar("M", bound=Model)
Route = TypeVar("Route", bound=Callable[..., Any])

_JSON: Final = "application/json"
_GENESIS: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_QUERY: Final = 8
_LEASE_BYTES: Final = 16
_ALWAYS: Final = (
    "request.malformed", "request.unsigned", "request.timeout", "request.too_large", "rate.limited", "internal",
    "service.busy",
)  # fmt: skip


def custodian_of(request: Request) -> Custodian:
    custodian: Custodian = request.app.state.custodian
    return custodian


def call_of(request: Request) -> Call:
    found: Call = request.scope[CALL]
    return found


def body_of(request: Request, model: type[M]) -> M:
    """The body as a `model`; anything else is `request.malformed`. Strict JSON: see `casemate.wire.canonical`."""
    found = call_of(request)
    if found.headers.get("content-type", "").lower() != _JSON or "content-encoding" in found.headers:
        raise Refusal("request.malformed")
    try:
        # The signing layer held the body to the limit of its route already.
        value = canonical.decode(found.body, limit=ATTESTATION_BODY_LIMIT)
        return canonical.parse_model(model, value, what="request")
    except InputError as error:
        raise Refusal("request.malformed") from error


def query_of(request: Request, *names: str) -> dict[str, str]:
    """The query's parameters; those that the call does not have, and repeated ones, are refused."""
    raw = request.scope.get("query_string", b"").decode("latin-1")
    try:
        pairs = parse_qsl(
            raw, keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=_MAX_QUERY
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal("request.malformed") from error
    values = dict(pairs)
    if len(values) != len(pairs) or not set(values) <= set(names):
        raise Refusal("request.malformed")
    return values


def genesis_of(request: Request) -> str:
    """The `{genesis}` of the path. What is no digest names no policy."""
    genesis: str = request.path_params["genesis"]
    if not _GENESIS.fullmatch(genesis):
        raise Refusal("policy.unknown")
    return genesis


def lease_of(request: Request) -> bytes:
    """The `{id}` of the path. What is none names no lease."""
    try:
        lease_id = b64u_decode(request.path_params["id"])
    except MalformedError as error:
        raise Refusal("lease.unknown") from error
    if len(lease_id) != _LEASE_BYTES:
        raise Refusal("lease.unknown")
    return lease_id


def answer(value: Model, status: int = 200) -> Response:
    return Response(value.model_dump_json(exclude_none=True, by_alias=True), status, media_type=_JSON)


def call(
    router: APIRouter,
    method: str,
    path: str,
    *,
    answers: type[Model],
    takes: type[Model] | None = None,
    status: int = 200,
    refusals: Sequence[str] = (),
    query: dict[str, dict[str, Any]] | None = None,
) -> Callable[[Route], Route]:
    """Register a route, with what the OpenAPI document says about it."""
    extra: dict[str, Any] = {"x-refusals": sorted((*_ALWAYS, *refusals))}
    if takes is not None:
        extra["requestBody"] = {"required": True, "content": {_JSON: {"schema": {"$ref": _schema_name(takes)}}}}
    if query:
        extra["parameters"] = [{"name": name, "in": "query", **about} for name, about in query.items()]
    return router.api_route(
        path,
        methods=[method],
        status_code=status,
        response_model=None,
        responses={
            status: {"description": answers.__name__, "content": {_JSON: {"schema": {"$ref": _schema_name(answers)}}}}
        },
        openapi_extra=extra,
    )


def _schema_name(model: type[Model]) -> str:
    return f"#/components/schemas/{model.__name__}"
