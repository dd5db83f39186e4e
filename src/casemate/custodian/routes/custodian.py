"""Who this custodian is, its evidence for it, and the keys of its tokens."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from casemate.custodian.ear import jwk
from casemate.custodian.problems import Refusal
from casemate.custodian.routes._calls import answer, body_of, call, custodian_of, query_of
from casemate.custodian.settings import VERSION
from casemate.errors import PlatformError
from casemate.wire.custodian import CustodianAnswer, CustodianAttestationAnswer, CustodianAttestationRequest
from casemate.wire.fields import Model

router = APIRouter()


class KeySet(Model):
    """RFC 7517, section 5."""

    keys: list[dict[str, str]]


@call(router, "GET", "/v1/custodian", answers=CustodianAnswer)
async def custodian(request: Request) -> Response:
    """The genesis record and the time."""
    query_of(request)
    here = custodian_of(request)
    return answer(
        CustodianAnswer(
            genesis=here.identity.genesis_bytes,
            identity=here.identity.identity,
            version=VERSION,
            time=(await here.state.now()).replace(microsecond=0),
        )
    )


@call(
    router,
    "POST",
    "/v1/custodian/attestation",
    takes=CustodianAttestationRequest,
    answers=CustodianAttestationAnswer,
    refusals=("service.unready",),
)
async def attest_custodian(request: Request) -> Response:
    """Evidence of the custodian's own domain, made for the caller's nonce and this instance's keys."""
    nonce = body_of(request, CustodianAttestationRequest).nonce
    here = custodian_of(request)
    keys = here.instance.signing_key()
    try:
        own = await here.evidence_source.evidence(
            nonce=nonce,
            custodian=here.identity.identity,
            signing_key=keys.text,
            hpke_key=here.identity.sealing_key,
        )
    except PlatformError as error:
        raise Refusal("service.unready", retry_after=1) from error
    return answer(
        CustodianAttestationAnswer(
            evidence=own.evidence,
            endorsements=own.endorsements,
            manifest=own.manifest,
            nonce=nonce,
            signing_key=keys.text,
            hpke_key=here.identity.sealing_key,
        )
    )


@call(router, "GET", "/v1/jwks", answers=KeySet)
async def jwks(request: Request) -> Response:
    """Public keys for EAR tokens that are still good. The answer's own signature says that they are this custodian's,
    and so does the certificate beside each.
    """
    query_of(request)
    here = custodian_of(request)
    found = await here.signers.good_at(await here.state.now(), here.instance.signing_key())
    return answer(KeySet(keys=[jwk(one.key, one.certificate) for one in found]))
