"""Decisions on record, for those with `read` on the policy."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.decisions import DEFAULT_LISTED, MAX_LISTED, find, newest
from casemate.custodian.policies import caller_key, readable
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, call, call_of, custodian_of, genesis_of, query_of
from casemate.wire.policies import DecisionAnswer, DecisionsAnswer

router = APIRouter()

_LIMIT = {"limit": {"required": False, "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}}}


@call(
    router,
    "GET",
    "/v1/policies/{genesis}/decisions",
    answers=DecisionsAnswer,
    refusals=("request.stale", "policy.unknown"),
    query=_LIMIT,
)
async def list_decisions(request: Request) -> Response:
    """The newest decisions on a policy, newest first."""
    limit = _limit(query_of(request, "limit"))
    custodian = custodian_of(request)
    key = await caller_key(custodian, call_of(request))
    policy = await readable(custodian, genesis_of(request), key)
    found = await newest(custodian.state, policy.identity, limit)
    return answer(DecisionsAnswer(decisions=found))


@call(router, "GET", "/v1/decisions/{id}", answers=DecisionAnswer, refusals=("request.stale", "decision.unknown"))
async def show_decision(request: Request) -> Response:
    """One decision with every step: what was expected, what came, what would mend it."""
    query_of(request)
    custodian = custodian_of(request)
    key = await caller_key(custodian, call_of(request))
    decision = await find(custodian.state, request.path_params["id"])
    await readable(custodian, decision.genesis if decision else None, key, code="decision.unknown")
    if decision is None:
        raise Refusal("decision.unknown")
    return answer(decision)


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LISTED))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LISTED)) and 1 <= int(text) <= MAX_LISTED):
        raise Refusal("request.malformed")
    return int(text)
