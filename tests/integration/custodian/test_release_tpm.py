"""Machines with a TPM whose key no authority certified: whoever wrote the policy vouches for it by its name.

A key made in software signs whatever quote one likes. Such evidence is of nobody: it gets no record, which anybody
could fill, and learns no step.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from casemate.attestation.platforms.tpm.structures import Quote
from casemate.attestation.platforms.tpm.verify import BANK, MANIFEST_PCR, pcr_of, qualifying
from casemate.testing.tpm.plan import right
from casemate.testing.tpm.quotes import RUNTIME, QuotePlan
from casemate.wire.binding import digest_bytes, sha256_text
from casemate.wire.fields import b64u_decode, b64u_encode

from .conftest import Answer, House, Shield, Story


def require(plan: QuotePlan, **change: list[str]) -> dict[str, Any]:
    """What a policy asks of the machine of this plan."""
    pcrs = {f"pcr{number}": [plan.values[BANK][number].hex()] for number in (0, 4, 7, 8, 9, 12)}
    return {"tpm": {"require": {"name": [Quote.parse(plan.built()).key.name.hex()], **pcrs, **change}}}


def quoted(shield: Shield, nonce: bytes, plan: QuotePlan) -> dict[str, Any]:
    """Evidence of a TPM, made as the shield needs it."""
    bound = plan.pcr(MANIFEST_PCR, pcr_of(digest_bytes(sha256_text(shield.manifest))))
    report = replace(bound, extra=qualifying(shield.report_data(nonce))).built()
    return {
        "evidence": {"format": "tpm-quote", "report": b64u_encode(report)},
        "endorsements": {"certificates": "", "crls": []},
    }


async def attest(shield: Shield, plan: QuotePlan) -> Answer:
    request = await shield.request()
    return await shield.attest({**request, **quoted(shield, b64u_decode(request["nonce"]), plan)})


async def on_tpm(house: House, **change: Any) -> Story:
    """A policy that names the key of `right()`, with a manifest that is changed."""
    genesis = house.genesis(insecure_simulation=False)
    manifest = house.manifest(genesis, **change)
    document = house.document(genesis, manifest)
    document["services"]["api"] |= {
        "platforms": require(right().quote),
        "runtime": {"measurement": f"sha256:{RUNTIME.hex()}"},
    }
    created = await house.create(genesis, document)
    assert created.status == 201, created.body
    return Story(house, genesis, manifest, document, created.data["version"])


def made_up() -> QuotePlan:
    """All that the right machine says, by a key of one's own."""
    return replace(right().quote, key=right("ecdsa-p384").quote.key)


async def refused_without_a_record(story: Story, shield: Shield, plan: QuotePlan) -> None:
    store = story.house.parts.store
    before = store.log_length()
    answer = await attest(shield, plan)
    assert (answer.status, answer.code) == (403, "evidence.refused"), answer.body
    assert set(answer.data) == {"type", "title", "status", "code", "id"}, "who is not proven learns nothing more"
    listed = await story.house.caller(story.house.alice).ask("GET", f"/v1/policies/{story.identity}/decisions")
    assert listed.data == {"decisions": []}
    assert store.log_length() == before
    metrics = story.house.custodian.metrics.render().decode()
    assert 'casemate_evidence_refused_total{step="evidence.authority"} 1.0' in metrics
    assert 'casemate_decisions_total{outcome="denied"}' not in metrics


async def test_the_machine_whose_key_the_policy_names_is_admitted(house: House) -> None:
    story = await on_tpm(house)
    answer = await attest(story.shield(), right().quote)
    assert answer.status == 200, answer.body


async def test_a_key_that_somebody_made_up_is_refused_without_a_record(house: House) -> None:
    story = await on_tpm(house)
    await refused_without_a_record(story, story.shield(), made_up())


async def test_a_key_is_nobodys_under_a_policy_that_asks_for_an_authority(house: House) -> None:
    story = await on_tpm(house)
    asked = require(right().quote, authority=["google"], project=["acme"])
    del asked["tpm"]["require"]["name"]
    await story.change_service(platforms=asked)
    await refused_without_a_record(story, story.shield(), right().quote)


@pytest.mark.parametrize("manifest", [b"", b"\xff", b"[]", b"{}", b'{"policy":{}}', b'{"policy":1}'])
async def test_a_key_that_somebody_made_up_is_refused_with_any_manifest(house: House, manifest: bytes) -> None:
    story = await on_tpm(house)
    await refused_without_a_record(story, Shield(house, manifest), made_up())


async def test_a_key_is_nobodys_under_a_policy_that_is_not_there(house: House) -> None:
    story = await on_tpm(house)
    await refused_without_a_record(story, story.shield(house.manifest(house.genesis("acme/other"))), right().quote)


async def test_a_key_is_nobodys_under_a_service_that_is_not_there(house: House) -> None:
    story = await on_tpm(house)
    binding = {**json.loads(story.manifest)["policy"], "service": "web"}
    unknown = house.manifest(story.genesis, policy=binding)
    await refused_without_a_record(story, story.shield(unknown), right().quote)


async def test_a_machine_that_the_policy_names_is_denied_with_a_record(house: House) -> None:
    story = await on_tpm(house)
    other = right().quote.pcr(4, hashlib.sha256(b"another loader").digest())
    answer = await attest(story.shield(), other)
    assert (answer.code, answer.data["step"]) == ("policy.denied", "platform.values")
    assert (await story.house.why(answer.data["id"]))["outcome"] == "denied"


async def test_a_machine_that_the_policy_names_may_have_a_large_manifest(house: House) -> None:
    files = [
        {"path": f"/bin/{number:04}", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}
        for number in range(1000)
    ]
    story = await on_tpm(house, root=[*files, {**files[0], "path": "/bin/x"}])
    assert len(story.manifest) > 64 * 1024
    await refused_without_a_record(story, story.shield(), made_up())
    answer = await attest(story.shield(), right().quote)
    assert answer.status == 200, answer.body
