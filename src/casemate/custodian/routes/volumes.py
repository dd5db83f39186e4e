"""`POST /v1/leases/{id}/volumes/{name}`, the anchor of a sealed volume, and a volume for a person to mount by hand."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.policies import caller_key
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, call_of, custodian_of, genesis_of, lease_of
from casemate.custodian.volumes_people import lend
from casemate.custodian.volumes_rekey import ask_next, commit
from casemate.wire.volumes import VolumeAnswer, VolumeLeaseAnswer, VolumeLeaseRequest, VolumeRekey, VolumeRequest

router = APIRouter()

_UNDER_A_LEASE = (
    "lease.unknown", "lease.revoked", "volume.unknown", "volume.rekeyed", "volume.refused", "volume.fenced",
)  # fmt: skip


@call(
    router,
    "POST",
    "/v1/leases/{id}/volumes/{name}",
    takes=VolumeRequest,
    answers=VolumeAnswer,
    refusals=(*_UNDER_A_LEASE, "volume.held", "volume.rekeying"),
)
async def volume_anchor(request: Request) -> Response:
    """Read, move or give up a volume's anchor, signed by the attested key."""
    wanted = body_of(request, VolumeRequest)
    here = custodian_of(request)
    return answer(await here.anchors.ask(here, *_leased(request), wanted, _signer(request)))


@call(
    router,
    "POST",
    "/v1/leases/{id}/volumes/{name}/next",
    takes=VolumeRequest,
    answers=VolumeAnswer,
    refusals=_UNDER_A_LEASE,
)
async def volume_next(request: Request) -> Response:
    """Read or move the anchor of what a person writes under the volume's next key."""
    wanted = body_of(request, VolumeRequest)
    return answer(await ask_next(custodian_of(request), *_leased(request), wanted, _signer(request)))


@call(
    router,
    "POST",
    "/v1/leases/{id}/volumes/{name}/rekey",
    takes=VolumeRekey,
    answers=VolumeAnswer,
    refusals=(*_UNDER_A_LEASE, "volume.read"),
)
async def volume_rekey(request: Request) -> Response:
    """Make the next key and its anchor the volume's own, and forget the old ones."""
    wanted = body_of(request, VolumeRekey)
    return answer(await commit(custodian_of(request), *_leased(request), wanted, _signer(request)))


@call(
    router,
    "POST",
    "/v1/policies/{genesis}/volumes/{name}/leases",
    takes=VolumeLeaseRequest,
    answers=VolumeLeaseAnswer,
    refusals=("request.stale", "nonce.refused", "policy.unknown", "policy.denied", "volume.read", "volume.rekeying"),
)
async def volume_lease(request: Request) -> Response:
    """A volume's key and a lease, for a person whom the policy names for it; signed by the person."""
    wanted = body_of(request, VolumeLeaseRequest)
    here = custodian_of(request)
    key = await caller_key(here, call_of(request))
    return answer(await lend(here, genesis_of(request), request.path_params["name"], wanted, key))


def _leased(request: Request) -> tuple[bytes, str]:
    """The lease and the volume of the path."""
    return lease_of(request), request.path_params["name"]


def _signer(request: Request) -> str:
    signer = call_of(request).signer
    if signer is None:
        raise Refusal("request.unsigned")
    return signer.key
