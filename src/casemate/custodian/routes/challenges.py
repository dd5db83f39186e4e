"""`POST /v1/challenges`: a nonce."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.challenges import LIFETIME_SECONDS
from casemate.custodian.routes._calls import answer, body_of, call, custodian_of
from casemate.wire.release import ChallengeAnswer, ChallengeRequest

router = APIRouter()


@call(router, "POST", "/v1/challenges", takes=ChallengeRequest, answers=ChallengeAnswer)
async def challenge(request: Request) -> Response:
    """A nonce for one attestation, valid for a minute."""
    body_of(request, ChallengeRequest)
    custodian = custodian_of(request)
    nonce = custodian.challenges.issue(await custodian.state.now())
    return answer(ChallengeAnswer(nonce=nonce, expires_in=LIFETIME_SECONDS))
