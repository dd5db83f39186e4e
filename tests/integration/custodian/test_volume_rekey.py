"""A volume under another key: who may, what is refused meanwhile, and that the exchange happens wholly, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from casemate.custodian.leases import GRACE
from casemate.wire.fields import b64u_encode

from .conftest import Answer, House, public_key
from .people import CAROL, PEOPLE, Person, lent
from .volumes import NOTHING, Sealed, record, seal

REKEY = {"rekey": {"any": ["bob"]}, "write": {"any": ["carol"]}, "lease": "60s"}
NEW = record(7, volume="C" * 21 + "A", root="c")
HELD = record(20)


@pytest.fixture
async def sealed(house: House) -> Sealed:
    """bob may rekey the volume, and nothing else; carol may write it. It was written, and given up."""
    made = await seal(house)
    writer, left = await made.written()
    assert (await writer.set(left, record(12))).data["outcome"] == "set"
    await writer.release()
    await made.story.accept(lent(made, REKEY))
    return made


class Rekeying(Person):
    async def begin(self) -> Answer:
        """The lease, and the present anchor under its fence."""
        answer = await self.borrow("rekey")
        if answer.status == 200:
            assert (await self.set(record(12), HELD)).data["outcome"] == "set"
        return answer

    async def next(self, wish: dict[str, Any]) -> Answer:
        return await self._post("next", wish)

    async def write(self, new: dict[str, Any] = NEW) -> Answer:
        return await self.next({"set": {"expected": NOTHING, "new": new}})

    async def commit(self, expected: dict[str, Any] = HELD, new: dict[str, Any] = NEW) -> Answer:
        return await self._post("rekey", {"expected": expected, "new": new})

    async def _post(self, what: str, wish: object) -> Answer:
        path = f"/v1/leases/{self.lease}/volumes/records/{what}"
        return await self.house.caller(self.signing).ask("POST", path, wish)


def bob(sealed: Sealed) -> Rekeying:
    return Rekeying(sealed, sealed.house.bob)


async def written(sealed: Sealed) -> Rekeying:
    """Everything is there under the next key; it is not committed."""
    rekeying = bob(sealed)
    assert (await rekeying.begin()).status == 200
    assert (await rekeying.write()).data == {"outcome": "set", "record": NEW}
    return rekeying


async def key_of_services(sealed: Sealed, service: str = "api") -> bytes:
    shield = sealed.story.shield(sealed.manifests[service])
    request = await shield.request()
    configured = shield.open(request, await shield.attest(request)).volumes
    assert configured is not None
    return configured[0].key


async def kept(sealed: Sealed, key: bytes) -> bool:
    """Whether anything in the custodian's store has this key."""
    material = b64u_encode(b64u_encode(key).encode()).encode()
    items = await sealed.house.parts.state.range("", limit=10_000)
    return any(material in item.value for item in items)


async def test_the_next_key_becomes_the_volumes_and_the_old_one_is_nowhere_any_more(sealed: Sealed) -> None:
    rekeying = bob(sealed)
    request = await rekeying.request("rekey")
    answer = await rekeying.ask(request)
    released = rekeying.open(request, answer)
    assert released.next_key is not None
    assert released.key == await key_of_services(sealed)
    await rekeying.set(record(12), HELD)
    await rekeying.write()
    assert (await rekeying.commit()).data == {"outcome": "rekeyed", "record": NEW}
    for service in ("api", "reader"):
        assert await key_of_services(sealed, service) == released.next_key
    assert (await rekeying.anchor({"read": {}})).data["record"] == NEW
    assert await kept(sealed, released.next_key)
    assert not await kept(sealed, released.key)


async def test_who_rekeyed_is_on_record_with_what_the_volume_was_before(sealed: Sealed) -> None:
    await (await written(sealed)).commit()
    [given] = sealed.audited("volume.key_released")
    assert (given["person"], given["mode"]) == ("bob", "rekey")
    [entry] = sealed.audited("volume.rekeyed")
    assert (entry["person"], entry["key"]) == ("bob", public_key(sealed.house.bob))
    assert (entry["before"], entry["root"]) == (HELD["root"], NEW["root"])


async def test_to_rekey_is_a_right_of_its_own(sealed: Sealed) -> None:
    answer = await Person(sealed, CAROL).borrow("rekey")
    assert (answer.status, answer.data["step"]) == (403, "volume.person")
    assert "volumes.records.people.rekey" in (await sealed.house.why(answer.data["id"]))["remedy"]
    assert (await bob(sealed).borrow("write")).data["step"] == "volume.person"
    await sealed.story.accept(lent(sealed, PEOPLE))
    assert (await bob(sealed).borrow("rekey")).data["step"] == "volume.people"


async def test_a_volume_without_an_anchor_is_not_rekeyed(sealed: Sealed) -> None:
    document = lent(sealed, REKEY)
    document["volumes"]["records"]["freshness"] = "none"
    await sealed.story.accept(document)
    answer = await bob(sealed).borrow("rekey")
    assert (answer.data["step"], answer.data["got"]) == ("volume.anchor", "freshness: none")


async def test_who_may_only_write_has_no_next_anchor_and_exchanges_nothing(sealed: Sealed) -> None:
    writer = Rekeying(sealed, CAROL)
    request = await writer.request("write")
    assert writer.open(request, await writer.ask(request)).next_key is None
    assert (await writer.set(record(12), HELD)).data["outcome"] == "set"
    assert (await writer.next({"read": {}})).code == "volume.unknown"
    assert (await writer.commit()).code == "volume.unknown"


async def test_a_lost_reply_is_answered_again_and_changes_nothing(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    assert (await rekeying.write()).data == {"outcome": "set", "record": NEW}
    first = await rekeying.commit()
    key = await key_of_services(sealed)
    assert (await rekeying.commit()).data == first.data
    assert await key_of_services(sealed) == key
    assert len(sealed.audited("volume.rekeyed")) == 1


async def test_an_exchange_needs_both_anchors_as_they_are(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    assert (await rekeying.commit(expected=record(12))).data == {"outcome": "conflict", "record": HELD}
    for new in (record(7, volume=NEW["volume"], root="d"), {**NEW, "state": "retired"}):
        refused = await rekeying.commit(new=new)
        assert (refused.code, refused.data["step"]) == ("volume.refused", "volume.next")
    assert (await rekeying.commit()).data["outcome"] == "rekeyed"


async def test_the_old_volume_cannot_take_its_own_place(sealed: Sealed) -> None:
    rekeying = bob(sealed)
    await rekeying.begin()
    same = record(7, root="c")
    await rekeying.write(same)
    assert (await rekeying.commit(new=same)).data["step"] == "volume.next"


async def test_a_volume_that_was_closed_for_ever_takes_no_place(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    closed = {**NEW, "state": "retired"}
    assert (await rekeying.next({"set": {"expected": NEW, "new": closed}})).data["outcome"] == "set"
    assert (await rekeying.commit(new=closed)).data["step"] == "volume.next"


async def test_who_never_took_the_volume_exchanges_nothing(sealed: Sealed) -> None:
    rekeying = bob(sealed)
    await rekeying.borrow("rekey")
    await rekeying.write()
    assert (await rekeying.commit(expected=record(12))).code == "volume.fenced"


async def test_who_lost_the_volume_exchanges_nothing(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    await rekeying.anchor({"release": {}})
    assert (await rekeying.commit()).code == "volume.fenced"
    api = await sealed.mount()
    assert (await api.set(HELD, record(30))).data["outcome"] == "set"


async def test_a_right_that_was_taken_away_ends_before_the_exchange(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    key = await key_of_services(sealed)
    await sealed.story.accept(lent(sealed, PEOPLE))
    assert (await rekeying.commit()).code == "volume.unknown"
    assert (await rekeying.next({"read": {}})).code == "volume.unknown"
    assert await key_of_services(sealed) == key


async def test_a_request_that_somebody_else_repeats_is_refused(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    other = Rekeying(sealed, sealed.house.bob, lease=rekeying.lease)
    for answer in (await other.commit(), await other.next({"read": {}})):
        assert answer.code == "lease.unknown"


async def test_services_and_readers_are_refused_meanwhile_with_the_reason(sealed: Sealed) -> None:
    await written(sealed)
    held = await (await sealed.mount()).set(HELD, record(30))
    assert (held.code, held.data["wait"] <= 60 + GRACE.seconds) == ("volume.held", True)
    reader = await (await sealed.mount("reader")).read()
    assert (reader.code, reader.data["wait"] <= 60 + GRACE.seconds) == ("volume.rekeying", True)


async def test_a_volume_that_is_read_is_not_rekeyed(sealed: Sealed) -> None:
    reader = await sealed.mount("reader")
    await reader.read()
    refused = await bob(sealed).borrow("rekey")
    assert (refused.status, refused.code, refused.data["got"]) == (409, "volume.read", "1")
    await reader.release()
    assert (await bob(sealed).begin()).status == 200


async def test_a_reader_that_comes_at_the_same_moment_is_refused_or_stops_the_rekeying(sealed: Sealed) -> None:
    reader = await sealed.mount("reader")
    rekeying = bob(sealed)
    request = await rekeying.request("rekey")
    sealed.house.parts.state.together = asyncio.Barrier(2)
    answers = await asyncio.gather(reader.read(), rekeying.ask(request))
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert {answer.code for answer in answers if answer.status == 409} <= {"volume.read", "volume.rekeying"}


async def test_a_lease_from_before_has_a_key_that_opens_nothing_and_is_told(sealed: Sealed) -> None:
    api, reader = await sealed.mount(), await sealed.mount("reader")
    sealed.house.parts.clock.advance(2)
    rekeying = await written(sealed)
    await rekeying.commit()
    await rekeying.anchor({"release": {}})
    for mount in (api, reader):
        answer = await mount.read()
        assert (answer.status, answer.code) == (409, "volume.rekeyed")
    assert (await api.set(HELD, record(30))).code == "volume.rekeyed"
    sealed.house.parts.clock.advance(2)
    assert (await (await sealed.mount()).set(NEW, {**NEW, "fence": "30"})).data["outcome"] == "set"


async def test_one_rekeys_at_a_time_and_the_next_begins_anew(sealed: Sealed) -> None:
    first = await written(sealed)
    refused = await bob(sealed).borrow("rekey")
    assert (refused.code, refused.data["wait"] <= 60 + GRACE.seconds) == ("volume.rekeying", True)
    sealed.house.parts.clock.advance(refused.data["wait"] + 1)
    second = bob(sealed)
    await second.borrow("rekey")
    assert (await second.next({"read": {}})).data["record"] == NOTHING
    assert (await first.commit()).code == "lease.unknown"
    assert (await second.set(HELD, record(40))).data["outcome"] == "set"


async def test_who_gives_up_leaves_no_next_key(sealed: Sealed) -> None:
    first = await written(sealed)
    await first.anchor({"release": {}})
    assert (await first.next({"read": {}})).code == "volume.fenced"
    reader = await sealed.mount("reader")
    assert (await reader.read()).status == 200
    await reader.release()
    second = bob(sealed)
    await second.borrow("rekey")
    assert (await second.write()).data["outcome"] == "set"
    assert (await first.next({"read": {}})).code == "volume.fenced"
    assert (await first.commit()).code == "volume.fenced"


async def test_an_exchange_that_cannot_be_recorded_did_not_happen(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    key = await key_of_services(sealed)
    sealed.house.parts.store.fail_writes = True
    assert (await rekeying.commit()).status >= 500
    sealed.house.parts.store.fail_writes = False
    assert (await rekeying.anchor({"read": {}})).data["record"] == HELD
    assert await key_of_services(sealed) == key


async def test_a_new_version_keeps_the_new_key(sealed: Sealed) -> None:
    await (await written(sealed)).commit()
    key = await key_of_services(sealed)
    await sealed.story.accept(lent(sealed, PEOPLE))
    assert await key_of_services(sealed) == key


async def test_the_next_anchor_takes_no_release_and_goes_forward_only(sealed: Sealed) -> None:
    rekeying = await written(sealed)
    assert (await rekeying.next({"release": {}})).code == "request.malformed"
    back = {**NEW, "generation": "0"}
    assert (await rekeying.next({"set": {"expected": NEW, "new": back}})).data["step"] == "volume.generation"
    assert (await rekeying.next({"set": {"expected": NOTHING, "new": NEW}})).data["outcome"] == "set"
    assert (await rekeying.next({"set": {"expected": NOTHING, "new": back}})).data["outcome"] == "conflict"
