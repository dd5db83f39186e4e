"""`POST /v1/leases/{id}/volumes/{name}`, the anchor of a sealed volume, and a volume for a person to mount by hand."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.policies import caller_key
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of, genesis_of, lease_of
from casemate.custodian.volumes_people import lend
from casemate.wire.volumes import VolumeAnswer, VolumeLeaseAnswer, VolumeLeaseRequest, VolumeRequest

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


@call(
    router,
    "POST",
    "/v1/policies/{genesis}/volumes/{name}/leases",
    takes=VolumeLeaseRequest,
    answers=VolumeLeaseAnswer,
    refusals=("request.stale", "nonce.refused", "policy.unknown", "policy.denied"),
)
async def volume_lease(request: Request) -> Response:
    """A volume's key and a lease, for a person whom the policy names for it; signed by the person."""
    wanted = body_of(request, VolumeLeaseRequest)
    here = custodian_of(request)
    key = await caller_key(here, call_of(request))
    return answer(await lend(here, genesis_of(request), request.path_params["name"], wanted, key))
