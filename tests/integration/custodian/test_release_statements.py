"""Admitting by release over HTTP: the request brings statements, the lease keeps what carried it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client.releases import sign, write_statement
from casemate.wire.binding import sha256_text
from casemate.wire.fields import b64u_encode, format_time
from casemate.wire.statements import MAX_STATEMENT_BYTES, MAX_STATEMENTS

from .conftest import MEASUREMENT, Answer, Shield, Story

RELEASED = {"release": "acme/records", "at_least": "1.4", "signed_by": {"any": ["alice"]}}


def statement(story: Story, *signers: Ed25519PrivateKey, days: int = 30, **change: Any) -> bytes:
    now = datetime.now(UTC)
    subject = change.pop("subject", ("acme/records#api", sha256_text(story.manifest)))
    predicate = {
        "name": "acme/records",
        "version": "1.4",
        "kind": "workload",
        "issued": format_time(now),
        "expires": format_time(now + timedelta(days=days)),
    }
    return sign(write_statement([subject], **(predicate | change)), signers or (story.house.alice,))


async def attest(shield: Shield, *statements: bytes) -> Answer:
    request = await shield.request()
    if statements:
        request["statements"] = [b64u_encode(data) for data in statements]
    return await shield.attest(request)


@pytest.fixture
async def released(story: Story) -> Story:
    await story.change_service(workload=RELEASED)
    return story


async def test_a_released_workload_gets_its_configuration_and_the_release_is_on_record(released: Story) -> None:
    answer = await attest(released.shield(), statement(released))
    assert answer.status == 200, answer.body
    recorded = await released.house.why(answer.data["decision"])
    step = next(step for step in recorded["steps"] if step["step"] == "workload.manifest")
    assert step["got"] == "acme/records 1.4, signed by alice"


async def test_without_a_statement_and_with_a_strangers_nothing_is_released(released: Story) -> None:
    strangers = statement(released, released.house.stranger)
    for sent, got in (([], "no release statement"), ([strangers], "acme/records 1.4, signed by none of these")):
        answer = await attest(released.shield(), *sent)
        assert (answer.status, answer.code, answer.data["step"]) == (403, "policy.denied", "workload.manifest")
        assert answer.data["got"] == got
    assert "signed by any of alice" in (await released.house.why(answer.data["id"]))["expected"]


async def test_a_runtime_is_admitted_by_release(story: Story) -> None:
    await story.change_service(runtime=RELEASED)
    subject = ("simulated", f"sha384:{MEASUREMENT.hex()}")
    answer = await attest(story.shield(), statement(story, kind="runtime", subject=subject))
    assert answer.status == 200, answer.body


async def test_a_lease_is_renewed_by_the_statement_that_it_began_with(released: Story) -> None:
    shield = released.shield()
    answer = await attest(shield, statement(released))
    for sequence in (1, 2):
        renewed = await shield.renew(answer.data["lease"]["id"], sequence)
        assert renewed.status == 200, renewed.body


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"at_least": "1.5"}, "acme/records 1.4, which is older"),
        ({"revoked": ["1.4"]}, "acme/records 1.4, which is revoked"),
        ({"release": "acme/other"}, "a statement on the workload acme/records"),
    ],
)
async def test_a_renewal_judges_the_statement_by_the_newest_policy(
    released: Story, change: dict[str, Any], got: str
) -> None:
    shield = released.shield()
    answer = await attest(shield, statement(released))
    await released.change_service(workload={**RELEASED, **change})
    refused = await shield.renew(answer.data["lease"]["id"], 1)
    assert (refused.status, refused.code, refused.data["step"]) == (403, "lease.revoked", "workload.manifest")
    assert refused.data["got"] == got


async def test_a_renewal_after_the_statement_expired_is_refused(released: Story) -> None:
    shield = released.shield()
    await released.change_service(lease="24h")
    answer = await attest(shield, statement(released, days=1))
    lease = answer.data["lease"]["id"]
    released.house.parts.clock.advance(23 * 3600)
    assert (await shield.renew(lease, 1)).status == 200
    released.house.parts.clock.advance(2 * 3600)
    refused = await shield.renew(lease, 2)
    assert (refused.code, refused.data["step"]) == ("lease.revoked", "workload.manifest")
    assert "expired" in refused.data["got"]


async def test_hosts_cannot_fill_the_store_with_statements(released: Story) -> None:
    """What is kept is what carried the decision, without signatures of strangers, once."""
    before = len(await _stored(released))
    for _ in range(3):
        padded = statement(released, released.house.alice, Ed25519PrivateKey.generate())
        useless = statement(released, Ed25519PrivateKey.generate())
        assert (await attest(released.shield(), useless, padded, b"{}")).status == 200
    stored = await _stored(released)
    assert before == 0
    assert 1 <= len(stored) <= 3, "one for each second in which they were issued"
    assert all(item.value.count(b'"keyid"') == 1 for item in stored)


async def _stored(story: Story) -> list[Any]:
    state = story.house.parts.state
    return await state.range(f"policies/{story.identity.removeprefix('sha256:')}/statements/", limit=100)


async def test_a_request_has_limits_on_statements(released: Story) -> None:
    good = statement(released)
    fitting = [good, *[b"x" * MAX_STATEMENT_BYTES] * (MAX_STATEMENTS - 1)]
    assert (await attest(released.shield(), *fitting)).status == 200
    for sent in ([*fitting, b"x"], [good, b"x" * (MAX_STATEMENT_BYTES + 1)]):
        answer = await attest(released.shield(), *sent)
        assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_policy_whose_releases_fewer_may_sign_than_update_is_refused(story: Story) -> None:
    document = story.next()
    document["principals"]["bob"] = {"key": story.document["principals"]["alice"]["key"][:-1] + "A"}
    document["services"]["api"]["workload"] = {**RELEASED, "signed_by": {"any": ["alice", "bob"]}}
    answer = await story.house.update(document)
    assert (answer.status, answer.code) == (422, "policy.invalid")
    assert "services.api.workload.signed_by" in answer.data["detail"]
