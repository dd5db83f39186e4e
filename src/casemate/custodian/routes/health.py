"""Probes for whoever operates the custodian: no signature needed, nothing secret told."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.health import ready
from casemate.custodian.metrics import METRICS_TYPE
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, call, custodian_of
from casemate.wire.fields import Model

router = APIRouter()


class Health(Model):
    status: str


@call(router, "GET", "/healthz", answers=Health)
async def healthz(_request: Request) -> Response:
    """The process lives."""
    return answer(Health(status="alive"))


@call(router, "GET", "/readyz", answers=Health, refusals=("service.unready",))
async def readyz(request: Request) -> Response:
    """The store answers and the instance certificate is valid."""
    if not await ready(custodian_of(request)):
        raise Refusal("service.unready", retry_after=1)
    return answer(Health(status="ready"))


@router.get("/metrics", response_model=None, response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus text, of all workers together."""
    return Response(custodian_of(request).metrics.render(), media_type=METRICS_TYPE)
