"""`POST /v1/leases/{id}/volumes/{name}`: the anchor of a sealed volume."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of, lease_of
from casemate.wire.volumes import VolumeAnswer, VolumeRequest

router = APIRouter()


@call(
    router,
    "POST",
    "/v1/leases/{id}/volumes/{name}",
    takes=VolumeRequest,
    answers=VolumeAnswer,
    refusals=("lease.unknown", "lease.revoked", "volume.unknown", "volume.refused", "volume.fenced", "volume.held"),
)
async def volume_anchor(request: Request) -> Response:
    """Read, move or give up a volume's anchor, signed by the attested key."""
    wanted = body_of(request, VolumeRequest)
    signer = call_of(request).signer
    if signer is None:
        raise Refusal("request.unsigned")
    here = custodian_of(request)
    lease_id, name = lease_of(request), request.path_params["name"]
    return answer(await here.anchors.ask(here, lease_id, name, wanted, signer.key))
