"""Leases over HTTP: each renewal is decided anew, sequence numbers make lost replies harmless."""

from __future__ import annotations

import asyncio

from casemate.custodian.workers_janitor import clean

from .conftest import Shield, Story


async def lease_of(shield: Shield) -> str:
    answer = await shield.attest()
    assert answer.status == 200, answer.body
    return str(answer.data["lease"]["id"])


async def test_a_lease_is_renewed_again_and_again(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    for sequence in (1, 2, 3):
        story.house.parts.clock.advance(200)
        answer = await shield.renew(lease, sequence)
        assert (answer.status, answer.data) == (200, {"sequence": sequence, "seconds": 300})


async def test_a_repeat_of_the_last_number_returns_the_recorded_answer(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    first = await shield.renew(lease, 1)
    await story.change_service(lease="60s")
    again = await shield.renew(lease, 1)
    assert (again.status, again.data) == (200, first.data), "a repeat decides nothing"
    assert (await shield.renew(lease, 2)).data == {"sequence": 2, "seconds": 60}


async def test_any_other_number_is_refused(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    for sequence in (2, 3, 2**53 - 1):
        answer = await shield.renew(lease, sequence)
        assert (answer.status, answer.code) == (409, "lease.sequence")
    assert (await shield.renew(lease, 1)).status == 200
    assert (await shield.renew(lease, 2)).status == 200
    assert (await shield.renew(lease, 1)).code == "lease.sequence"


async def test_concurrent_renewals_of_one_number_get_one_answer(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    answers = await asyncio.gather(*(shield.renew(lease, 1) for _ in range(6)))
    assert {answer.status for answer in answers} == {200}
    assert (await shield.renew(lease, 2)).status == 200


async def test_a_lease_that_ended_is_unknown(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    story.house.parts.clock.advance(301)
    answer = await shield.renew(lease, 1)
    assert (answer.status, answer.code) == (404, "lease.unknown")


async def test_a_lease_that_was_renewed_ends_later(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    story.house.parts.clock.advance(200)
    assert (await shield.renew(lease, 1)).status == 200
    story.house.parts.clock.advance(200)
    assert (await shield.renew(lease, 2)).status == 200


async def test_a_lease_of_somebody_else_is_unknown(story: Story) -> None:
    lease = await lease_of(story.shield())
    answer = await story.shield().renew(lease, 1)
    assert (answer.status, answer.code) == (404, "lease.unknown")


async def test_what_is_no_lease_is_unknown(story: Story) -> None:
    shield = story.shield()
    for lease in ("x", "A" * 22, "A" * 21 + "B", "A" * 24, "%2e%2e"):
        assert (await shield.renew(lease, 1)).code == "lease.unknown"


async def test_a_lease_is_revoked_when_the_policy_no_longer_admits_the_workload(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    await story.change_service(runtime={"measurement": "sha384:" + "0" * 96})
    answer = await shield.renew(lease, 1)
    assert (answer.status, answer.code, answer.data["step"]) == (403, "lease.revoked", "runtime.measurement")
    decision = await story.house.why(answer.data["id"])
    assert (decision["outcome"], decision["version"]) == ("revoked", story.version)
    assert decision["remedy"]
    repeated = await shield.renew(lease, 1)
    assert repeated.data == answer.data, "the reply may have been lost"


async def test_a_lease_that_was_revoked_stays_so(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    service = story.document["services"]["api"]
    await story.accept(story.next(services={}))
    assert (await shield.renew(lease, 1)).code == "lease.revoked"
    await story.accept(story.next(services={"api": service}))
    assert (await shield.renew(lease, 1)).code == "lease.revoked"


async def test_a_lease_survives_in_a_worker_that_never_saw_the_manifest(story: Story) -> None:
    shield = story.shield()
    lease = await lease_of(shield)
    manifests = story.house.custodian.manifests
    manifests._parsed.drop(next(iter(manifests._parsed._entries)))
    assert (await shield.renew(lease, 1)).status == 200


async def test_ended_leases_are_swept_up_and_running_ones_are_not(story: Story) -> None:
    first, second = story.shield(), story.shield()
    await lease_of(first)
    story.house.parts.clock.advance(200)
    running = await lease_of(second)
    story.house.parts.clock.advance(150)
    state = story.house.parts.state
    assert len(await state.range("leases/", limit=10)) == 2
    await clean(story.house.custodian, await state.now())
    assert len(await state.range("leases/", limit=10)) == 1
    assert (await second.renew(running, 1)).status == 200
