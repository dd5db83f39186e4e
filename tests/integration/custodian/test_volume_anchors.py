"""Anchors over HTTP: a record moves forward, by one writer at a time, and only for whom the policy names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Answer, House, public_key
from .volumes import NOTHING, Mount, Sealed, record, seal


@pytest.fixture
async def sealed(house: House) -> Sealed:
    return await seal(house)


def refused(answer: Answer) -> tuple[int, str, str | None]:
    return answer.status, answer.code, answer.data.get("step")


async def test_a_volume_that_nobody_wrote_is_uninitialised(sealed: Sealed) -> None:
    for service in ("api", "reader"):
        answer = await (await sealed.mount(service)).read()
        assert (answer.status, answer.data) == (200, {"outcome": "current", "record": NOTHING})


async def test_a_record_that_was_set_is_read_back_by_everybody(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2, root="2")
    assert (await writer.set(new, later)).data == {"outcome": "set", "record": later}
    for mount in (writer, await sealed.mount("second"), await sealed.mount("reader")):
        assert (await mount.read()).data["record"] == later


async def test_only_what_is_expected_is_replaced(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2, root="2")
    assert (await writer.set(new, later)).data["outcome"] == "set"
    answer = await writer.set(new, record(5, generation=3, root="3"))
    assert (answer.status, answer.data) == (200, {"outcome": "conflict", "record": later})
    assert (await writer.read()).data["record"] == later


async def test_a_repeat_of_what_was_done_is_answered_as_the_first_time(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    for _ in range(2):
        assert (await writer.set(new, later)).data == {"outcome": "set", "record": later}
    other = await sealed.mount("second")
    assert (await other.set(new, later)).data["outcome"] == "conflict", "it was somebody else who did it"


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"generation": "0"}, "volume.generation"),
        ({"volume": "C" * 21 + "A"}, "volume.identity"),
        ({"fence": "4"}, "volume.fence"),
        ({"fence": str(5 + 2**32 + 1)}, "volume.fence"),
        (NOTHING, "volume.state"),
    ],
)
async def test_a_record_never_goes_back(sealed: Sealed, change: dict[str, str], step: str) -> None:
    writer, new = await sealed.written()
    assert refused(await writer.set(new, {**new, **change})) == (403, "volume.refused", step)
    assert (await writer.read()).data["record"] == new


async def test_the_largest_numbers_are_kept_to_the_last_digit(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    fence = 5
    large = {**new, "generation": str(2**64 - 1), "fence": str(fence + 2**32)}
    assert (await writer.set(new, large)).data == {"outcome": "set", "record": large}


async def test_a_retired_volume_moves_no_more(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    retired = {**new, "state": "retired"}
    assert (await writer.set(new, retired)).data["outcome"] == "set"
    for wish in (new, {**retired, "generation": "2"}, {**retired, "fence": "6"}):
        assert refused(await writer.set(retired, wish)) == (403, "volume.refused", "volume.state")
    assert [facts["fence"] for facts in sealed.audited("volume.retired")] == ["5"]


async def test_a_volume_is_initialised_once_ever(sealed: Sealed) -> None:
    writer, _ = await sealed.written()
    answer = await writer.set(NOTHING, record(9, generation=9, root="9"))
    assert answer.data["outcome"] == "conflict"


async def test_initialising_takes_a_fence(sealed: Sealed) -> None:
    writer = await sealed.mount()
    assert refused(await writer.set(NOTHING, record(0)))[1] == "volume.fenced"


async def test_a_reader_does_not_write(sealed: Sealed) -> None:
    reader = await sealed.mount("reader")
    assert refused(await reader.set(NOTHING, record(5))) == (403, "volume.refused", "volume.mode")
    _, new = await sealed.written()
    assert refused(await reader.set(new, {**new, "fence": "6"})) == (403, "volume.refused", "volume.mode")


async def test_without_a_raise_of_the_fence_only_the_holder_writes(sealed: Sealed) -> None:
    _, new = await sealed.written()
    other = await sealed.mount("second")
    assert refused(await other.set(new, {**new, "generation": "2"}))[1] == "volume.fenced"


async def test_a_lease_that_ended_or_is_another_ones_moves_nothing(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    assert (await writer.set(new, later)).status == 200
    stranger = Mount(sealed.story.shield(), writer.lease)
    for request in ({"read": {}}, {"release": {}}, {"set": {"expected": later, "new": record(5, generation=3)}}):
        assert refused(await stranger.ask(request))[1] == "lease.unknown"
    sealed.house.parts.clock.advance(301)
    for request in ({"read": {}}, {"release": {}}, {"set": {"expected": later, "new": record(5, generation=3)}}):
        assert refused(await writer.ask(request))[1] == "lease.unknown"


async def test_a_lease_that_was_revoked_moves_nothing(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    assert (await writer.set(new, later)).status == 200
    document = sealed.story.next()
    document["services"]["api"]["runtime"] = {"measurement": "sha384:" + "0" * 96}
    await sealed.story.accept(document)
    # Until the next renewal nothing is decided anew, and what is remembered from now on is of the new policy.
    last = record(5, generation=3)
    assert (await writer.set(later, last)).status == 200
    assert (await writer.renew(1)).code == "lease.revoked"
    answer = await writer.set(last, record(5, generation=4))
    assert refused(answer) == (403, "lease.revoked", "runtime.measurement")


async def test_a_policy_that_takes_the_volume_away_counts_at_once(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    assert (await writer.set(new, later)).status == 200
    await sealed.story.accept(sealed.without("api"))
    for request in ({"read": {}}, {"set": {"expected": later, "new": record(5, generation=3)}}):
        assert refused(await writer.ask(request)) == (404, "volume.unknown", None)


async def test_what_a_policy_took_away_is_given_up_by_its_holder_and_by_nobody_else(sealed: Sealed) -> None:
    bystander = await sealed.mount()
    writer, new = await sealed.written()
    reader = await sealed.mount("reader")
    await reader.read()
    document = sealed.without("api")
    document["services"]["reader"]["volumes"] = {}
    await sealed.story.accept(document)
    assert refused(await bystander.release()) == (404, "volume.unknown", None)
    for mount in (writer, reader):
        assert (await mount.release()).data["outcome"] == "released"
        assert refused(await mount.release()) == (404, "volume.unknown", None)
    other = await sealed.mount("second")
    answer = await other.set(new, record(7))
    assert (answer.data["outcome"], answer.data.get("oldest_reader")) == ("set", None)


async def test_a_revoked_lease_gives_up_what_it_holds(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    document = sealed.story.next()
    document["services"]["api"]["runtime"] = {"measurement": "sha384:" + "0" * 96}
    await sealed.story.accept(document)
    assert (await writer.renew(1)).code == "lease.revoked"
    assert refused(await writer.read())[1] == "lease.revoked"
    assert (await writer.release()).data["outcome"] == "released"
    assert (await (await sealed.mount("second")).set(new, record(7))).data["outcome"] == "set"


async def test_a_policy_that_makes_a_writer_a_reader_counts_at_once(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    assert (await writer.set(new, later)).status == 200
    document = sealed.story.next()
    document["services"]["api"]["volumes"]["/data"]["mode"] = "read"
    await sealed.story.accept(document)
    answer = await writer.set(later, record(5, generation=3))
    assert refused(answer) == (403, "volume.refused", "volume.mode")


@pytest.mark.parametrize("name", ["other", "Records", "%2e%2e", "records%2Fx", "r" * 64])
async def test_what_is_no_volume_of_the_lease_is_unknown(sealed: Sealed, name: str) -> None:
    writer = await sealed.mount()
    writer.name = name
    assert (await writer.read()).status == 404


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"read": {}, "release": {}},
        {"read": {"more": 1}},
        {"read": None},
        {"set": {}},
        {"set": {"expected": NOTHING}},
        {"set": {"expected": NOTHING, "new": record(5), "force": True}},
        {"set": {"expected": NOTHING, "new": {**record(5), "fence": 5}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "fence": "05"}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "fence": str(2**64)}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "fence": "-1"}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "generation": "\u0661"}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "root": "1" * 64}}},
        {"set": {"expected": NOTHING, "new": {**record(5), "state": "open"}}},
        {"set": {"expected": {**NOTHING, "fence": "1"}, "new": record(5)}},
    ],
)
async def test_what_is_no_request_is_refused(sealed: Sealed, request_: Any) -> None:
    writer = await sealed.mount()
    answer = await writer.ask(request_)
    assert refused(answer)[:2] == (400, "request.malformed")


async def test_taking_a_volume_is_recorded_and_writing_is_not(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    for generation in (2, 3):
        later = record(5, generation=generation)
        assert (await writer.set(new, later)).data["outcome"] == "set"
        new = later
    assert (await writer.set(new, record(7, generation=3))).data["outcome"] == "set"
    kinds = [entry.kind for entry in sealed.house.parts.sealed.audit() if entry.kind.startswith("volume.")]
    assert kinds == ["volume.initialised", "volume.fence"]
    (fence,) = sealed.audited("volume.fence")
    assert (fence["volume"], fence["service"], fence["fence"], fence["generation"]) == ("records", "api", "7", "3")
    decision = await sealed.house.why(fence["decision"])
    assert decision["service"] == "api"


async def test_of_many_first_writers_exactly_one_initialises(sealed: Sealed) -> None:
    mounts = [await sealed.mount(service) for service in ("api", "second") * 4]
    sealed.house.parts.state.together = asyncio.Barrier(len(mounts))
    wishes = [record(fence, generation=fence) for fence in range(1, 9)]

    async def once(mount: Mount, wish: dict[str, Any]) -> Answer:
        answer = await mount.set(NOTHING, wish)
        sealed.house.parts.state.together = None
        return answer

    answers = await asyncio.gather(*(once(mount, wish) for mount, wish in zip(mounts, wishes, strict=True)))
    won = [wish for answer, wish in zip(answers, wishes, strict=True) if answer.data["outcome"] == "set"]
    assert len(won) == 1
    assert {answer.data["record"]["fence"] for answer in answers} == {won[0]["fence"]}
    assert len(sealed.audited("volume.initialised")) == 1


async def test_a_writer_in_another_worker_is_seen_at_once(sealed: Sealed) -> None:
    """What a worker remembers is compared, not believed."""
    writer, new = await sealed.written()
    second, third = record(5, generation=2), record(5, generation=3)
    assert (await writer.set(new, second)).status == 200
    anchors = sealed.house.custodian.anchors
    remembered = anchors._facts.get(next(iter(anchors._facts._entries)))
    assert remembered is not None
    assert (await writer.set(second, third)).status == 200
    # Back to what another worker would still remember.
    anchors._facts.put(next(iter(anchors._facts._entries)), remembered, 1)
    assert (await writer.set(second, record(5, generation=3, root="f"))).data == {
        "outcome": "conflict",
        "record": third,
    }
    assert public_key(writer.shield.signing) == remembered.lease.signing_key
