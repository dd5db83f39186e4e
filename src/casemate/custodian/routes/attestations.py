"""`POST /v1/attestations`: evidence in, a sealed configuration out. The decision is in `casemate.custodian.release`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.problems import Refusal
from casemate.custodian.release import release
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of
from casemate.wire.release import AttestationAnswer, AttestationRequest

router = APIRouter()


@call(
    router,
    "POST",
    "/v1/attestations",
    takes=AttestationRequest,
    answers=AttestationAnswer,
    refusals=("nonce.refused", "evidence.refused", "policy.denied"),
)
async def attest(request: Request) -> Response:
    """Verify evidence, decide, and release the configuration sealed to the attested key."""
    wanted = body_of(request, AttestationRequest)
    signer = call_of(request).signer
    if signer is None:
        raise Refusal("request.unsigned")
    return answer(await release(custodian_of(request), wanted, signer.key))
