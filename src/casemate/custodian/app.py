"""The custodian's HTTP service, assembled.

The release decision is in routes/attestations.py, release.py, attestation/verify.py and policy/decide.py.
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from casemate.attestation.expectations import roots_of
from casemate.custodian.anchor import ANCHOR_KIND
from casemate.custodian.app_context import Custodian, EvidenceSource, InstanceKeys
from casemate.custodian.challenges import Challenges
from casemate.custodian.keeper import State
from casemate.custodian.keys import Identity
from casemate.custodian.keys.signers import Signers
from casemate.custodian.limits import Limits
from casemate.custodian.metrics import Metrics
from casemate.custodian.policies_book import PolicyBook
from casemate.custodian.problems import Refusal
from casemate.custodian.release_floors import Floors
from casemate.custodian.release_manifests import Manifests
from casemate.custodian.release_statements import Statements
from casemate.custodian.routes import attestations, challenges, custodian, decisions, health, leases, policies, volumes
from casemate.custodian.settings import VERSION, Settings
from casemate.custodian.signing import Signing
from casemate.custodian.volumes import Anchors
from casemate.endorsements.cache import Cache

__all__ = ["ROUTERS", "bare_app", "create_app"]

# Tried in this order: an anchor moves at each fsync of a strict volume, everything else is rare beside that.
ROUTERS: Final = (
    volumes.router,
    custodian.router,
    challenges.router,
    attestations.router,
    leases.router,
    policies.router,
    decisions.router,
    health.router,
)

_STATUS_CODES: Final = {404: "request.not_found", 405: "request.method"}


def create_app(
    state: State,
    identity: Identity,
    instance: InstanceKeys,
    settings: Settings,
    evidence_source: EvidenceSource,
    *,
    ticket_key: bytes,
    endorsements: Cache | None = None,
) -> FastAPI:
    """The service. `ticket_key` (32 bytes) is made at each start and the same in all workers of it. What `endorsements`
    has of newer lists and documents counts beside what comes with evidence.
    """
    here = Custodian(
        state=state,
        identity=identity,
        instance=instance,
        signers=Signers(state),
        evidence_source=evidence_source,
        settings=settings,
        roots=roots_of(identity.genesis),
        challenges=Challenges(ticket_key),
        policies=PolicyBook(state),
        manifests=Manifests(state),
        statements=Statements(state),
        floors=Floors(state),
        metrics=Metrics(),
        endorsements=endorsements,
        anchor=ANCHOR_KIND,
        anchors=Anchors(),
    )
    app = bare_app()
    app.state.custodian = here
    app.add_middleware(Signing, signer=instance, limits=Limits(settings), metrics=here.metrics)
    return app


def bare_app() -> FastAPI:
    """Routes without anything behind them: what the OpenAPI document is made from."""
    app = FastAPI(
        title="Casemate custodian",
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # The framework would tell a collector, if the environment named one, who asks for what.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.router.redirect_slashes = False
    app.add_exception_handler(HTTPException, _as_refusal)
    for router in ROUTERS:
        app.include_router(router)
    return app


async def _as_refusal(_request: Request, error: Exception) -> Response:
    """What the router itself refuses; the signing layer makes the problem document."""
    if not isinstance(error, HTTPException):
        raise error
    raise Refusal(_STATUS_CODES.get(error.status_code, "request.malformed"), headers=_allow(error)) from error


def _allow(error: HTTPException) -> dict[str, str]:
    headers = error.headers or {}
    return {name.lower(): value for name, value in headers.items() if name.lower() == "allow"}
