"""`/v1/policies`: creating, updating and reading policies."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.policies import caller_key, create, readable, update
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of, genesis_of, query_of
from casemate.wire.policies import (
    PolicyAnswer,
    PolicyCreation,
    PolicyLookup,
    PolicyUpdate,
    VersionAnswer,
    VersionsAnswer,
)

router = APIRouter()

_READING = ("request.stale", "policy.unknown")
_WRITING = ("policy.not_authorised", "policy.conflict", "policy.invalid")
_NAME = {"name": {"required": True, "schema": {"type": "string"}, "description": "acme/records"}}


@call(router, "POST", "/v1/policies", takes=PolicyCreation, answers=VersionAnswer, status=201, refusals=_WRITING)
async def create_policy(request: Request) -> Response:
    """A genesis record and the first version."""
    return answer(await create(custodian_of(request), body_of(request, PolicyCreation)), 201)


@call(
    router,
    "POST",
    "/v1/policies/{genesis}/versions",
    takes=PolicyUpdate,
    answers=VersionAnswer,
    status=201,
    refusals=(*_WRITING, "policy.unknown"),
)
async def update_policy(request: Request) -> Response:
    """The next version; 409 names the newest one when it is not the predecessor."""
    submission = body_of(request, PolicyUpdate)
    return answer(await update(custodian_of(request), genesis_of(request), submission), 201)


@call(router, "GET", "/v1/policies", answers=PolicyLookup, refusals=_READING, query=_NAME)
async def look_up(request: Request) -> Response:
    """The genesis of the policy of a name."""
    query = query_of(request, "name")
    if "name" not in query:
        raise Refusal("request.malformed")
    custodian = custodian_of(request)
    key = await caller_key(custodian, call_of(request))
    policy = await readable(custodian, await custodian.policies.genesis_of(query["name"]), key)
    return answer(PolicyLookup(genesis=policy.identity))


@call(router, "GET", "/v1/policies/{genesis}", answers=PolicyAnswer, refusals=_READING)
async def show(request: Request) -> Response:
    """The newest version, with the signatures that made it."""
    query_of(request)
    custodian = custodian_of(request)
    key = await caller_key(custodian, call_of(request))
    policy = await readable(custodian, genesis_of(request), key)
    return answer(
        PolicyAnswer(
            genesis=policy.genesis_bytes,
            version=policy.head.version,
            number=policy.head.number,
            submission=policy.newest.submission,
        )
    )


@call(router, "GET", "/v1/policies/{genesis}/versions", answers=VersionsAnswer, refusals=_READING)
async def versions(request: Request) -> Response:
    """The whole history, newest first."""
    query_of(request)
    custodian = custodian_of(request)
    key = await caller_key(custodian, call_of(request))
    policy = await readable(custodian, genesis_of(request), key)
    history = await custodian.policies.versions(policy.identity, policy.head.number)
    return answer(VersionsAnswer(versions=history))
