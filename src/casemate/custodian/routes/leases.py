"""`POST /v1/leases/{id}/renewals`: may the workload go on?"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.leases import renew
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of, lease_of
from casemate.wire.release import RenewalAnswer, RenewalRequest

router = APIRouter()


@call(
    router,
    "POST",
    "/v1/leases/{id}/renewals",
    takes=RenewalRequest,
    answers=RenewalAnswer,
    refusals=("lease.unknown", "lease.sequence", "lease.revoked"),
)
async def renewal(request: Request) -> Response:
    """Renew a lease, signed by the attested key; decided anew against the newest version of the policy."""
    wanted = body_of(request, RenewalRequest)
    signer = call_of(request).signer
    if signer is None:
        raise Refusal("request.unsigned")
    return answer(await renew(custodian_of(request), lease_of(request), wanted.sequence, signer.key))
