"""What the custodian says of itself: identity, evidence, keys, health, metrics."""

from __future__ import annotations

import json
import os

import httpx
import pytest

from casemate.attestation.verify import Expected, Roots, verify
from casemate.wire import canonical
from casemate.wire.binding import Purpose, digest_bytes, report_data, sha256_text
from casemate.wire.custodian import CustodianAttestationAnswer
from casemate.wire.fields import b64u_decode, b64u_encode

from .conftest import House, Story


async def test_the_genesis_record_hashes_to_the_identity(house: House) -> None:
    said = (await house.caller(house.stranger).ask("GET", "/v1/custodian")).data
    assert sha256_text(b64u_decode(said["genesis"])) == said["identity"] == house.parts.identity.identity
    assert said["version"] == "0.1.0"


async def test_the_custodian_attests_itself_for_the_callers_nonce_and_its_own_keys(house: House) -> None:
    nonce = os.urandom(32)
    answer = await house.caller(house.stranger).ask("POST", "/v1/custodian/attestation", {"nonce": b64u_encode(nonce)})
    said = canonical.parse_model(CustodianAttestationAnswer, answer.data, what="answer")
    assert said.signing_key == house.parts.instance.signing_key().text
    manifest = sha256_text(said.manifest)
    claims = verify(
        said.evidence,
        said.endorsements,
        roots=Roots(amd=False, simulated=frozenset({house.platform.root_fingerprint})),
        at=await house.parts.state.now(),
        expected=Expected(
            report_data=report_data(
                Purpose.CUSTODIAN,
                custodian=house.parts.identity.identity,
                nonce=nonce,
                signing_key=said.signing_key,
                hpke_key=said.hpke_key,
                manifest=manifest,
            ),
            manifest=digest_bytes(manifest),
        ),
    )
    assert claims.platform == "simulated"


async def test_a_platform_that_fails_makes_a_refusal_and_not_evidence(house: House) -> None:
    house.custodian.evidence_source.broken = True  # type: ignore[attr-defined]  # the fixture's own domain
    answer = await house.caller(house.stranger).ask(
        "POST", "/v1/custodian/attestation", {"nonce": b64u_encode(bytes(32))}
    )
    assert (answer.status, answer.code) == (503, "service.unready")


async def test_health_readiness_and_metrics_are_told_to_anybody(story: Story) -> None:
    shield = story.shield()
    assert (await shield.attest()).status == 200
    assert (await shield.attest(report={"debug": True})).status == 403
    caller = story.house.caller(story.house.stranger)
    assert (await caller.ask("GET", "/healthz")).data == {"status": "alive"}
    assert (await caller.ask("GET", "/readyz")).data == {"status": "ready"}
    text = (await caller.ask("GET", "/metrics")).body.decode()
    assert 'casemate_decisions_total{outcome="released"} 1.0' in text
    assert 'casemate_evidence_refused_total{step="evidence.debug"} 1.0' in text
    assert 'casemate_requests_total{route="/v1/attestations",status="403"} 1.0' in text


async def test_labels_never_hold_what_a_caller_wrote(story: Story) -> None:
    caller = story.house.caller(story.house.stranger)
    await caller.ask("GET", "/v1/marmalade")
    await caller.ask("GET", "/v1/decisions/marmalade")
    text = (await caller.ask("GET", "/metrics")).body.decode()
    assert "marmalade" not in text


async def test_a_custodian_without_a_valid_certificate_is_not_ready(house: House) -> None:
    house.parts.clock.advance(48 * 3600)
    answer = await house.caller(house.stranger).ask("GET", "/readyz")
    assert (answer.status, answer.code) == (503, "service.unready")


async def test_the_genesis_is_canonical(house: House) -> None:
    genesis = house.parts.identity.genesis_bytes
    assert canonical.encode(json.loads(genesis)) == genesis


@pytest.mark.parametrize("path", ["/v1/custodian", "/v1/policies", "/v1/decisions/" + "0" * 40, "/v1/unknown"])
async def test_nothing_but_the_probes_and_the_keys_is_told_to_those_who_do_not_sign(house: House, path: str) -> None:
    transport = httpx.ASGITransport(app=house.app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://custodian") as client:
        keys = await client.get("/v1/jwks")
        assert keys.status_code == 200
        assert keys.json()["keys"][0]["kid"] == house.parts.instance.signing_key().text
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (401, "request.unsigned")
        wrong = await client.get("/v1/jwks", headers={"signature": "sig1=:AAAA:", "signature-input": "sig1=()"})
        assert wrong.status_code == 401
