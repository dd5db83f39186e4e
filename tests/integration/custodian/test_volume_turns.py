"""Writers take turns, and a writer hears of its readers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from casemate.custodian.keeper import Put
from casemate.custodian.leases import parse_lease
from casemate.custodian.workers_janitor import clean
from casemate.wire.fields import b64u_decode

from .conftest import Answer, House
from .volumes import Mount, Sealed, record, seal


@pytest.fixture
async def sealed(house: House) -> Sealed:
    return await seal(house)


async def taken(mount: Mount, before: dict[str, Any], fence: int = 100) -> Answer:
    """An attempt to take the volume over."""
    return await mount.set(before, {**before, "fence": str(fence)})


async def test_a_volume_that_is_held_is_not_taken_before_the_lease_and_its_grace_ended(sealed: Sealed) -> None:
    _, new = await sealed.written()
    clock = sealed.house.parts.clock
    clock.advance(100)
    other = await sealed.mount("second")
    answer = await taken(other, new)
    assert (answer.status, answer.code) == (409, "volume.held")
    assert 208 <= answer.data["wait"] <= 210
    clock.advance(answer.data["wait"] - 3)
    answer = await taken(other, new)
    assert (answer.code, answer.data["wait"] <= 3) == ("volume.held", True)
    clock.advance(answer.data["wait"])
    answer = await taken(other, new)
    assert answer.data == {"outcome": "set", "record": {**new, "fence": "100"}}


async def test_a_renewed_lease_holds_on(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    sealed.house.parts.clock.advance(290)
    assert (await writer.renew(1)).status == 200
    other = await sealed.mount("second")
    sealed.house.parts.clock.advance(100)
    assert (await taken(other, new)).code == "volume.held"


async def test_a_refused_takeover_is_recorded_once(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    other = await sealed.mount("second")
    for _ in range(3):
        assert (await taken(other, new)).code == "volume.held"
    (held,) = sealed.audited("volume.held")
    assert (held["service"], held["fence"], held["volume"]) == ("second", "100", "records")
    assert held["holder"] != held["lease"]
    assert (await writer.read()).data["record"] == new


async def test_a_volume_that_was_given_up_is_free_at_once(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    for _ in range(2):
        assert (await writer.release()).data == {"outcome": "released", "record": new}
    assert len(sealed.audited("volume.released")) == 1
    assert (await writer.set(new, record(5, generation=2))).code == "volume.fenced"
    assert (await taken(await sealed.mount("second"), new)).data["outcome"] == "set"


async def test_nobody_gives_up_what_another_one_holds(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    assert (await (await sealed.mount("second")).release()).data["outcome"] == "released"
    assert (await writer.set(new, record(5, generation=2))).data["outcome"] == "set"


async def test_a_writer_that_was_overtaken_is_never_told_that_it_wrote(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    assert (await writer.release()).status == 200
    other = await sealed.mount("second")
    assert (await taken(other, new)).data["outcome"] == "set"
    overtaken = {**new, "fence": "100"}
    assert (await writer.set(new, record(5, generation=2))).data == {"outcome": "conflict", "record": overtaken}
    assert (await writer.set(overtaken, {**overtaken, "generation": "2"})).code == "volume.fenced"
    assert (await writer.set(overtaken, {**overtaken, "fence": "101"})).code == "volume.held"


async def test_a_lease_takes_its_own_volume_anew(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    assert (await taken(writer, new)).data["outcome"] == "set"


async def test_of_two_takers_at_once_exactly_one_wins(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    assert (await writer.release()).status == 200
    takers = [await sealed.mount(service) for service in ("api", "second")]
    state = sealed.house.parts.state
    state.together = asyncio.Barrier(2)

    async def take(mount: Mount, fence: int) -> Answer:
        answer = await taken(mount, new, fence)
        state.together = None
        return answer

    answers = await asyncio.gather(take(takers[0], 50), take(takers[1], 60))
    assert sorted(answer.data["outcome"] for answer in answers) == ["conflict", "set"]
    winner = next(answer for answer in answers if answer.data["outcome"] == "set").data["record"]
    assert all(answer.data["record"] == winner for answer in answers)


async def test_a_takeover_and_a_renewal_at_once_never_both_succeed(sealed: Sealed) -> None:
    """The lease that ended by the taker's clock is renewed before the taker's transaction is in."""
    writer, new = await sealed.written()
    state, clock = sealed.house.parts.state, sealed.house.parts.clock
    waiting, real = asyncio.Event(), state.transact

    async def after_renewal(*arguments: Any) -> int:
        waiting.set()
        await asyncio.sleep(0)
        return await real(*arguments)

    key = f"leases/{b64u_decode(writer.lease).hex()}"
    clock.advance(311)
    item = await state.get(key)
    assert item is not None
    other = await sealed.mount("second")
    state.transact = after_renewal  # type: ignore[method-assign]
    task = asyncio.create_task(taken(other, new))
    await waiting.wait()
    # Whoever changes the holder's lease meanwhile makes the taker look again.
    lease = parse_lease(item)
    renewed = lease.model_copy(update={"ends": lease.ends.replace(year=lease.ends.year + 1)})
    await real([], [Put(key, renewed.to_bytes())], None)
    assert (await task).code == "volume.held"


async def test_the_janitor_leaves_a_lease_for_its_grace(sealed: Sealed) -> None:
    _, new = await sealed.written()
    parts = sealed.house.parts
    parts.clock.advance(302)
    await clean(sealed.house.custodian, await parts.state.now())
    other = await sealed.mount("second")
    assert (await taken(other, new)).code == "volume.held"
    parts.clock.advance(9)
    await clean(sealed.house.custodian, await parts.state.now())
    assert (await taken(other, new)).data["outcome"] == "set"


async def test_a_writer_hears_of_the_oldest_generation_that_is_read(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    first, second = await sealed.mount("reader"), await sealed.mount("reader")
    assert "oldest_reader" not in (await first.read()).data
    later = record(5, generation=2)
    assert (await writer.set(new, later)).data == {"outcome": "set", "record": later, "oldest_reader": "1"}
    await second.read()
    assert (await writer.read()).data["oldest_reader"] == "1"
    await first.read()
    assert (await writer.set(later, record(5, generation=3))).data["oldest_reader"] == "2"
    for reader in (first, second):
        assert (await reader.release()).data["outcome"] == "released"
    assert "oldest_reader" not in (await writer.read()).data


async def test_a_reader_counts_until_its_lease_and_grace_ended(sealed: Sealed) -> None:
    reader = await sealed.mount("reader")
    sealed.house.parts.clock.advance(100)
    writer, new = await sealed.written()
    await reader.read()
    later = record(5, generation=2)
    sealed.house.parts.clock.advance(208)
    assert (await writer.set(new, later)).data["oldest_reader"] == "1"
    sealed.house.parts.clock.advance(3)
    assert "oldest_reader" not in (await writer.set(later, record(5, generation=3))).data


async def test_a_reader_that_comes_while_a_writer_moves_on_is_told_to_it(sealed: Sealed) -> None:
    writer, new = await sealed.written()
    later = record(5, generation=2)
    assert (await writer.set(new, later)).status == 200
    reader = await sealed.mount("reader")
    read, moved = await asyncio.gather(reader.read(), writer.set(later, record(5, generation=3)))
    generation = read.data["record"]["generation"]
    known = (await writer.read()).data["oldest_reader"]
    assert known == generation
    assert moved.data.get("oldest_reader") == generation or generation == "3"


async def test_the_readers_of_a_volume_are_bounded(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casemate.custodian.volumes.MAX_READERS", 2)
    await sealed.written()
    readers = [await sealed.mount("reader") for _ in range(3)]
    answers = [await reader.read() for reader in readers]
    assert [answer.status for answer in answers] == [200, 200, 503]
    assert (await readers[0].release()).status == 200
    assert (await readers[2].read()).status == 200
