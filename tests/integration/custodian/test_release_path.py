"""The release of a configuration: it works, and each thing that must hold is wrong once, in the order of release.py.

For each wrong thing: what the shield hears, and what is on record for those who may read it.
"""

from __future__ import annotations

import copy
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from casemate.client.results import WantedResult, verify_result
from casemate.errors import SecretError
from casemate.policy.decide import STEPS
from casemate.wire.binding import Purpose, key_bytes, sha256_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_decode, b64u_encode

from .conftest import MEASUREMENT, Answer, House, Shield, Story, public_key


async def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert (answer.status, answer.code) == (status, code), answer.body
    return answer.data


async def nothing_on_record(story: Story) -> None:
    listed = await story.house.caller(story.house.alice).ask("GET", f"/v1/policies/{story.identity}/decisions")
    assert listed.data == {"decisions": []}


async def test_an_admitted_workload_gets_its_configuration_and_only_its_key_opens_it(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    answer = await shield.attest(request)
    assert answer.status == 200, answer.body
    configuration = shield.open(request, answer)
    assert configuration.holes["port"] == "8080"
    assert len(b64u_decode(configuration.holes["PASSWORD"])) == 24
    (key,) = configuration.files
    assert (key.path, key.mode) == ("/run/key", "0400")
    assert isinstance(load_pem_private_key(key.content, None), Ed25519PrivateKey)
    assert answer.data["policy"] == {"genesis": story.identity, "version": story.version, "number": 1}
    assert answer.data["lease"]["seconds"] == 300
    with pytest.raises(SecretError):
        story.shield().open(request, answer)


async def test_the_same_secrets_are_released_again_and_after_an_update(story: Story) -> None:
    async def password() -> str:
        shield = story.shield()
        request = await shield.request()
        return shield.open(request, await shield.attest(request)).holes["PASSWORD"]

    first = await password()
    assert await password() == first
    await story.change_service(lease="60s")
    assert await password() == first


async def test_a_release_is_on_record_with_all_nine_steps(story: Story) -> None:
    answer = await story.shield().attest()
    decision = await story.house.why(answer.data["decision"])
    assert decision["outcome"] == "released"
    assert [step["step"] for step in decision["steps"]] == list(STEPS)
    assert all(step["held"] for step in decision["steps"])
    assert decision["version"] == story.version
    assert decision["claims"]["platform"] == "simulated"


async def test_the_result_token_says_what_was_verified_and_is_signed_by_the_instance(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    answer = await shield.attest(request)
    keys = (await shield.caller.ask("GET", "/v1/jwks")).data["keys"]
    token = answer.data["result"]
    assert jwt.get_unverified_header(token)["kid"] == keys[0]["kid"]
    instance = Ed25519PublicKey.from_public_bytes(key_bytes(keys[0]["kid"]))
    claims = jwt.decode(token, instance, algorithms=["EdDSA"])
    assert claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#04"
    assert claims["eat_nonce"] == request["nonce"]
    assert claims["iss"] == story.house.parts.identity.identity
    appraisal = claims["submods"]["workload"]
    assert appraisal["ear_status"] == "warning", "simulated hardware is never affirmed"
    assert appraisal["ear_attester_claims"]["service"] == "acme/records#api"
    assert appraisal["ear_appraisal_policy_ids"] == [story.version]
    assert "protects nothing" in appraisal["ear_verifier_claims"]["warnings"]["hardware"]


async def test_the_result_token_verifies_against_the_pinned_identity_alone(story: Story) -> None:
    request = await (shield := story.shield()).request()
    token = (await shield.attest(request)).data["result"]
    genesis = CustodianGenesis.model_validate_json(story.house.parts.identity.genesis_bytes)
    wanted = WantedResult(nonce=b64u_decode(request["nonce"]), service="acme/records#api")
    found = verify_result(token, genesis, at=datetime.now(UTC), wanted=wanted)
    assert (found.key, found.workload.ear_status) == (request["signing_key"], "warning")


# 1. the request is signed by the key that it wants attested


async def test_a_request_signed_by_another_key_than_the_attested_one_is_refused(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    answer = await story.house.caller(story.house.stranger).ask("POST", "/v1/attestations", request)
    assert set(await refused(answer, 401, "request.unsigned")) == {"type", "title", "status", "code", "id"}
    # The nonce was not spent by the stranger.
    assert (await shield.attest(request)).status == 200


# 2. the nonce


async def test_a_replayed_attestation_is_refused(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    assert (await shield.attest(request)).status == 200
    await refused(await shield.attest(request), 403, "nonce.refused")


async def test_a_nonce_is_spent_by_evidence_that_is_refused(story: Story) -> None:
    shield = story.shield()
    nonce = await shield.nonce()
    await refused(await shield.attest(await shield.request(nonce, report={"debug": True})), 403, "evidence.refused")
    await refused(await shield.attest(await shield.request(nonce)), 403, "nonce.refused")


async def test_a_nonce_that_the_custodian_did_not_make_is_refused(story: Story) -> None:
    shield = story.shield()
    genuine = await shield.nonce()
    for nonce in (os.urandom(32), genuine[:16] + os.urandom(16), genuine[:6] + os.urandom(10) + genuine[16:]):
        await refused(await shield.attest(await shield.request(nonce)), 403, "nonce.refused")


async def test_a_nonce_older_than_a_minute_is_refused(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    story.house.parts.clock.advance(61)
    await refused(await shield.attest(request), 403, "nonce.refused")


# 3. the evidence: genuine, and for this nonce, these keys, this manifest, this custodian, this purpose


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"nonce": os.urandom(32)}, id="nonce of another exchange"),
        pytest.param({"signing_key": public_key(Ed25519PrivateKey.generate())}, id="another signing key"),
        pytest.param({"hpke_key": "x25519:" + b64u_encode(os.urandom(32))}, id="another HPKE key"),
        pytest.param({"custodian": "sha256:" + "1" * 64}, id="another custodian"),
        pytest.param({"manifest": "sha256:" + "2" * 64}, id="another manifest"),
        pytest.param({"purpose": Purpose.CUSTODIAN}, id="another purpose"),
        pytest.param({"purpose": Purpose.RA_TLS}, id="TLS"),
    ],
)
async def test_evidence_that_was_made_for_something_else_is_refused(story: Story, change: dict[str, Any]) -> None:
    shield = story.shield()
    nonce = await shield.nonce()
    request = {**await shield.request(nonce), **shield.evidence(nonce, **change)}
    problem = await refused(await shield.attest(request), 403, "evidence.refused")
    assert set(problem) == {"type", "title", "status", "code", "id"}, "who is not proven learns nothing more"
    await nothing_on_record(story)


async def test_evidence_of_a_domain_with_another_manifest_is_refused(story: Story) -> None:
    shield = story.shield()
    answer = await shield.attest(report={"host_data": os.urandom(32)})
    await refused(answer, 403, "evidence.refused")


async def test_evidence_with_debug_on_is_refused(story: Story) -> None:
    await refused(await story.shield().attest(report={"debug": True}), 403, "evidence.refused")


async def test_evidence_of_firmware_that_the_chip_key_was_not_certified_for_is_refused(story: Story) -> None:
    await refused(await story.shield().attest(report={"old_tcb": True}), 403, "evidence.refused")


async def test_evidence_relayed_from_another_shield_is_refused(story: Story) -> None:
    victim, thief = story.shield(), story.shield()
    nonce = await thief.nonce()
    request = {**await thief.request(nonce), **victim.evidence(nonce)}
    await refused(await thief.attest(request), 403, "evidence.refused")


async def test_evidence_with_a_bit_changed_is_refused(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    report = bytearray(b64u_decode(request["evidence"]["report"]))
    report[0x90] ^= 1
    request["evidence"]["report"] = b64u_encode(bytes(report))
    await refused(await shield.attest(request), 403, "evidence.refused")


async def test_evidence_under_a_root_that_this_custodian_did_not_pin_is_refused(
    story: Story, other_platform: Any
) -> None:
    story.house.platform = other_platform
    await refused(await story.shield().attest(), 403, "evidence.refused")
    await nothing_on_record(story)


async def test_evidence_without_revocation_lists_is_denied(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    request["endorsements"]["crls"] = []
    await denied(story, await shield.attest(request), "endorsements.complete")


async def test_evidence_without_revocation_lists_is_good_enough_while_the_policy_waives_them(story: Story) -> None:
    until = datetime.fromtimestamp(story.house.parts.clock(), UTC) + timedelta(days=2)
    waiver = {"lacks": "crl", "until": f"{until:%Y-%m-%d}"}
    await story.change_service(platforms={"simulated": {"waive": [waiver]}})
    shield = story.shield()
    request = await shield.request()
    request["endorsements"]["crls"] = []
    assert (await shield.attest(request)).status == 200


async def test_evidence_without_revocation_lists_is_refused_once_one_was_seen_whatever_the_policy_waives(
    story: Story,
) -> None:
    assert (await story.shield().attest()).status == 200
    until = datetime.fromtimestamp(story.house.parts.clock(), UTC) + timedelta(days=2)
    waiver = {"lacks": "crl", "until": f"{until:%Y-%m-%d}"}
    await story.change_service(platforms={"simulated": {"waive": [waiver]}})
    shield = story.shield()
    request = await shield.request()
    request["endorsements"]["crls"] = []
    await refused(await shield.attest(request), 403, "evidence.refused")
    assert 'step="evidence.crl_floor"' in story.house.custodian.metrics.render().decode()


async def test_endorsements_that_ended_are_refused(story: Story) -> None:
    story.house.parts.clock.advance(100 * 365 * 86400)
    await refused(await story.shield().attest(), 403, "evidence.refused")


# 4. somebody vouches for the key: test_release_tpm.py


# 5. and 6. manifest and policy


async def denied(story: Story, answer: Answer, step: str) -> dict[str, Any]:
    """The shield hears step and what came; readers of the policy hear what was expected and what would mend it."""
    problem = await refused(answer, 403, "policy.denied")
    assert problem["step"] == step
    assert problem["got"]
    assert not {"expected", "remedy", "detail", "newest"} & set(problem)
    decision = await story.house.why(problem["id"])
    assert (decision["outcome"], decision["step"], decision["got"]) == ("denied", step, problem["got"])
    assert decision["expected"]
    assert decision["remedy"]
    return decision


async def test_a_manifest_that_is_not_canonical_is_refused_even_when_it_was_measured(story: Story) -> None:
    shield = story.shield(json.dumps(json.loads(story.manifest), indent=1).encode())
    problem = await refused(await shield.attest(), 403, "policy.denied")
    assert problem["step"] == "manifest.digest"
    await nothing_on_record(story)


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b"\xff", b'{"casemate_manifest":1}'])
async def test_what_is_no_manifest_is_refused_even_when_it_was_measured(story: Story, manifest: bytes) -> None:
    shield = Shield(story.house, manifest)
    await refused(await shield.attest(), 403, "policy.denied")


async def test_a_manifest_that_names_another_custodian_is_denied(story: Story) -> None:
    other = "sha256:" + "9" * 64
    shield = story.shield(story.house.manifest(story.genesis, custodian=other))
    decision = await denied(story, await shield.attest(), "manifest.custodian")
    assert decision["expected"] == story.house.parts.identity.identity


async def test_a_manifest_of_a_custodian_is_released_nothing(story: Story) -> None:
    shield = story.shield(story.house.manifest(story.genesis, role="custodian", custodian=None, policy=None))
    problem = await refused(await shield.attest(), 403, "policy.denied")
    assert problem["step"] == "manifest.custodian"


async def test_a_manifest_that_names_an_unknown_policy_is_denied_and_learns_nothing_else(story: Story) -> None:
    shield = story.shield(story.house.manifest(story.house.genesis("acme/other")))
    problem = await refused(await shield.attest(), 403, "policy.denied")
    assert problem["step"] == "policy.known"
    answer = await story.house.caller(story.house.alice).ask("GET", f"/v1/decisions/{problem['id']}")
    assert answer.status == 404


async def test_a_policy_of_the_same_name_by_another_genesis_releases_nothing(house: House) -> None:
    """A squatter registers the name first; the workload's manifest names the genesis of its real owner."""
    squat = house.genesis(owner=house.stranger)
    manifest = house.manifest(house.genesis())
    assert (await house.create(squat, house.document(squat, manifest), house.stranger)).status == 201
    problem = await refused(await Shield(house, manifest).attest(), 403, "policy.denied")
    assert (problem["step"], problem["got"]) == ("policy.known", "none on this custodian")


async def test_a_service_that_the_policy_does_not_have_is_denied(story: Story) -> None:
    binding = {**json.loads(story.manifest)["policy"], "service": "web"}
    shield = story.shield(story.house.manifest(story.genesis, policy=binding))
    await denied(story, await shield.attest(), "policy.known")


async def test_simulated_evidence_is_denied_by_a_policy_that_did_not_ask_for_it(house: House) -> None:
    genesis = house.genesis(insecure_simulation=False)
    manifest = house.manifest(genesis)
    document = house.document(genesis, manifest)
    document["services"]["api"]["platforms"] = ["sev-snp"]
    created = await house.create(genesis, document)
    assert created.status == 201, created.body
    story = Story(house, genesis, manifest, document, created.data["version"])
    await denied(story, await story.shield().attest(), "policy.simulation")


async def test_another_runtime_is_denied(story: Story) -> None:
    answer = await story.shield().attest(report={"measurement": bytes(48)})
    decision = await denied(story, answer, "runtime.measurement")
    assert decision["expected"] == f"sha384:{MEASUREMENT.hex()}"


async def test_a_changed_workload_is_denied(story: Story) -> None:
    changed = story.house.manifest(story.genesis, working_directory="/tmp")
    decision = await denied(story, await story.shield(changed).attest(), "workload.manifest")
    assert decision["got"] == sha256_text(changed)


async def test_firmware_below_the_minimum_is_denied(story: Story) -> None:
    await story.change_service(platforms={"simulated": {"tcb": {"microcode": 256}}})
    await denied(story, await story.shield().attest(), "tcb.minima")


async def test_a_secret_for_an_argument_is_denied(story: Story) -> None:
    changed = story.house.manifest(story.genesis, arguments=["{{ hole.PASSWORD }}", "{{ hole.port }}"])
    await story.change_service(workload={"manifest": sha256_text(changed)})
    await denied(story, await story.shield(changed).attest(), "configuration.fits")


async def test_a_file_that_the_manifest_does_not_name_is_denied(story: Story) -> None:
    changed = story.house.manifest(story.genesis, files=[])
    await story.change_service(workload={"manifest": sha256_text(changed)})
    await denied(story, await story.shield(changed).attest(), "configuration.fits")


async def test_the_newest_version_decides(story: Story) -> None:
    assert (await story.shield().attest()).status == 200
    await story.change_service(runtime={"measurement": "sha384:" + "0" * 96})
    decision = await denied(story, await story.shield().attest(), "runtime.measurement")
    assert decision["version"] == story.version


# 7. what is not recorded is not released


async def test_nothing_is_released_when_it_cannot_be_recorded(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    story.house.parts.store.fail_writes = True
    answer = await shield.attest(request)
    story.house.parts.store.fail_writes = False
    await refused(answer, 500, "internal")
    await nothing_on_record(story)


async def test_a_policy_that_changes_during_the_decision_decides_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version that decided is compared when the release is recorded: an older one grants nothing."""
    from casemate.custodian import release

    real, fired = release.configure, []

    async def change() -> None:
        await story.change_service(runtime={"measurement": "sha384:" + "0" * 96})

    load = story.house.custodian.policies.load

    async def load_then_change(genesis: str) -> Any:
        policy = await load(genesis)
        if not fired:
            fired.append(True)
            await change()
        return policy

    monkeypatch.setattr(story.house.custodian.policies, "load", load_then_change)
    answer = await story.shield().attest()
    assert real is release.configure
    await denied(story, answer, "runtime.measurement")


# 8. the seal


async def test_a_key_that_nobody_can_seal_to_is_refused(story: Story) -> None:
    shield = story.shield()
    nonce = await shield.nonce()
    weak = "x25519:" + b64u_encode(bytes(32))
    request = {**await shield.request(nonce), **shield.evidence(nonce, hpke_key=weak), "hpke_key": weak}
    await refused(await shield.attest(request), 403, "evidence.refused")
    await nothing_on_record(story)


async def test_an_answer_of_one_exchange_opens_in_no_other(story: Story) -> None:
    shield = story.shield()
    first = await shield.request()
    answer = await shield.attest(first)
    second = copy.deepcopy(first) | {"nonce": b64u_encode(await shield.nonce())}
    with pytest.raises(SecretError):
        shield.open(second, answer)
