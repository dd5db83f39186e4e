"""Volumes by hand: who gets a key and a lease, what of it is on record, and that one writer is one writer."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian.leases import GRACE
from casemate.errors import SecretError

from .conftest import House, public_key
from .people import CAROL, DAVE, PEOPLE, Person, lent
from .volumes import NOTHING, RECORDS, Sealed, record, seal


@pytest.fixture
async def sealed(house: House) -> Sealed:
    """alice owns the policy, bob may write its volume by hand, carol read it; dave is a principal and no more."""
    made = await seal(house)
    await made.story.accept(lent(made))
    return made


async def test_a_person_gets_the_key_of_the_services_sealed_for_one_request_only(sealed: Sealed) -> None:
    carol = Person(sealed, CAROL)
    request = await carol.request()
    answer = await carol.ask(request)
    assert answer.status == 200, answer.body
    released = carol.open(request, answer)
    shield = sealed.story.shield(sealed.manifests["reader"])
    asked = await shield.request()
    configured = shield.open(asked, await shield.attest(asked)).volumes
    assert configured is not None
    assert released.key == configured[0].key
    assert (released.mode, released.freshness, released.root) == ("read", "strict", "hash")
    assert answer.data["lease"]["seconds"] == 60
    for other in ({"mode": "write"}, {"volume": "other"}, {"policy_version": "sha256:" + "0" * 64}):
        with pytest.raises(SecretError):
            carol.open(request, answer, **other)


async def test_every_key_that_a_person_got_is_on_record_with_the_persons_key(sealed: Sealed) -> None:
    answer = await Person(sealed, sealed.house.bob).borrow("write")
    [entry] = sealed.audited("volume.key_released")
    assert entry["person"] == "bob"
    assert entry["key"] == public_key(sealed.house.bob)
    assert (entry["volume"], entry["mode"], entry["decision"]) == ("records", "write", answer.data["decision"])
    why = await sealed.house.why(answer.data["decision"])
    assert why["outcome"] == "released"
    assert why["person"]["name"] == "bob"
    assert [step["held"] for step in why["steps"]] == [True] * 4
    assert "service" not in why
    assert "runtime" not in why


async def test_no_key_leaves_where_it_cannot_be_recorded(sealed: Sealed) -> None:
    carol = Person(sealed, CAROL)
    request = await carol.request()
    sealed.house.parts.store.fail_writes = True
    answer = await carol.ask(request)
    assert answer.status >= 500
    assert "volume" not in answer.data


@pytest.mark.parametrize(
    ("key", "mode", "step", "got"),
    [
        (DAVE, "read", "volume.person", "dave"),
        (CAROL, "write", "volume.person", "carol"),
    ],
)
async def test_who_is_not_named_is_refused_with_the_reason(
    sealed: Sealed, key: Ed25519PrivateKey, mode: str, step: str, got: str
) -> None:
    answer = await Person(sealed, key).borrow(mode)
    assert (answer.status, answer.code) == (403, "policy.denied")
    assert (answer.data["step"], answer.data["got"]) == (step, got)
    why = await sealed.house.why(answer.data["id"])
    assert why["outcome"] == "denied"
    assert why["person"]["name"] == got
    assert f"volumes.records.people.{mode}" in why["remedy"]
    assert [entry["person"] for entry in sealed.audited("volume.key_denied")] == [got]


async def test_whoever_may_write_may_read(sealed: Sealed) -> None:
    assert (await Person(sealed, sealed.house.bob).borrow("read")).status == 200


async def test_a_policy_that_is_silent_gives_nothing_to_its_owner_either(house: House) -> None:
    sealed = await seal(house)
    answer = await Person(sealed, house.alice).borrow("read")
    assert (answer.status, answer.data["step"]) == (403, "volume.people")
    await sealed.story.accept(lent(sealed, {"read": {"any": ["alice"]}}))
    assert (await Person(sealed, house.alice).borrow("read")).status == 200
    assert (await Person(sealed, house.alice).borrow("write")).data["step"] == "volume.people"


async def test_to_strangers_there_is_no_such_policy_and_they_fill_no_record(sealed: Sealed) -> None:
    answer = await Person(sealed, sealed.house.stranger).borrow("read")
    assert (answer.status, answer.code) == (404, "policy.unknown")
    assert not sealed.audited("volume.key_denied")


async def test_a_volume_that_is_not_there_is_refused(sealed: Sealed) -> None:
    carol = Person(sealed, CAROL)
    answer = await carol.ask(await carol.request(), volume="others")
    assert (answer.status, answer.data["step"]) == (403, "volume.known")
    answer = await carol.ask(await carol.request(), volume="..%2f")
    assert answer.status == 404


async def test_a_request_counts_once_and_only_while_it_is_fresh(sealed: Sealed) -> None:
    carol = Person(sealed, CAROL)
    request = await carol.request()
    assert (await carol.ask(request)).status == 200
    assert (await carol.ask(request)).code == "nonce.refused"
    assert (await carol.ask(await carol.request(nonce=os.urandom(32)))).code == "nonce.refused"
    moment = int((await sealed.house.parts.state.now()).timestamp())
    assert (await carol.ask(await carol.request(), created=moment - 301)).code == "request.stale"


async def test_a_person_and_a_service_take_turns_with_fence_and_grace(sealed: Sealed) -> None:
    _, left = await sealed.written(fence=5)
    bob = Person(sealed, sealed.house.bob)
    assert (await bob.borrow("write")).status == 200
    assert (await bob.set(left, record(5, generation=2))).code == "volume.fenced"
    refused = await bob.set(left, record(9))
    assert refused.code == "volume.held"
    assert 300 < refused.data["wait"] <= 310
    assert sealed.audited("volume.held")[0]["person"] == "bob"
    sealed.house.parts.clock.advance(refused.data["wait"] + 1)
    again = Person(sealed, sealed.house.bob)
    await again.borrow("write")
    assert (await again.set(left, record(9))).data["outcome"] == "set"
    fence = sealed.audited("volume.fence")[0]
    assert (fence["person"], fence["key"], fence["fence"]) == ("bob", public_key(sealed.house.bob), "9")
    api = await sealed.mount()
    held = await api.set(record(9), record(12))
    assert held.code == "volume.held"
    assert held.data["wait"] <= 60 + GRACE.seconds
    assert (await again.anchor({"release": {}})).data["outcome"] == "released"
    assert (await api.set(record(9), record(12))).data["outcome"] == "set"


async def test_of_two_people_who_take_a_volume_at_once_one_has_it(sealed: Sealed) -> None:
    bobs = [Person(sealed, sealed.house.bob) for _ in range(2)]
    for bob in bobs:
        await bob.borrow("write")
    sealed.house.parts.state.together = asyncio.Barrier(2)
    answers = await asyncio.gather(*(bob.set(NOTHING, record(3 + index)) for index, bob in enumerate(bobs)))
    outcomes = sorted(answer.data.get("outcome", answer.code) for answer in answers)
    assert outcomes.count("set") == 1
    assert outcomes != ["set", "set"]


async def test_who_may_read_moves_nothing_and_is_known_to_writers(sealed: Sealed) -> None:
    writer, left = await sealed.written()
    carol = Person(sealed, CAROL)
    await carol.borrow("read")
    assert (await carol.anchor({"read": {}})).data["record"] == left
    assert (await carol.set(left, record(9))).data["step"] == "volume.mode"
    assert (await writer.read()).data["oldest_reader"] == left["generation"]


async def test_a_lease_is_for_one_volume(sealed: Sealed) -> None:
    document = lent(sealed)
    document["volumes"]["others"] = {**RECORDS, "people": PEOPLE}
    await sealed.story.accept(document)
    bob = Person(sealed, sealed.house.bob)
    await bob.borrow("write")
    assert (await bob.anchor({"read": {}}, volume="others")).code == "volume.unknown"


async def test_what_a_policy_takes_away_ends_with_the_next_call_and_is_given_up_all_the_same(sealed: Sealed) -> None:
    bob = Person(sealed, sealed.house.bob)
    await bob.borrow("write")
    assert (await bob.set(NOTHING, record(3))).data["outcome"] == "set"
    assert (await bob.renew(1)).data == {"sequence": 1, "seconds": 60}
    await sealed.story.accept(lent(sealed, {"read": {"any": ["carol"]}}))
    assert (await bob.set(record(3), record(3, generation=2))).code == "volume.unknown"
    revoked = await bob.renew(2)
    assert (revoked.code, revoked.data["step"]) == ("lease.revoked", "volume.people")
    assert (await sealed.house.why(revoked.data["id"]))["person"]["name"] == "bob"
    assert (await bob.anchor({"read": {}})).code == "lease.revoked"
    assert (await bob.anchor({"release": {}})).data["outcome"] == "released"
    assert (await (await sealed.mount()).set(record(3), record(8))).data["outcome"] == "set"


async def test_a_lease_is_used_by_its_own_key_until_its_end(sealed: Sealed) -> None:
    bob = Person(sealed, sealed.house.bob)
    await bob.borrow("write")
    other = Person(sealed, sealed.house.bob, lease=bob.lease)
    assert (await other.anchor({"read": {}})).code == "lease.unknown"
    sealed.house.parts.clock.advance(61)
    assert (await bob.anchor({"read": {}})).code == "lease.unknown"
    assert (await bob.renew(1)).code == "lease.unknown"


@pytest.mark.parametrize(
    ("people", "change", "words"),
    [
        ({"read": {"any": ["nobody"]}}, {}, "no principal 'nobody'"),
        ({"read": {"all": ["bob", "carol"]}}, {}, "asks alone"),
        ({"write": {"at_least": 2, "of": ["bob", "carol"]}}, {}, "asks alone"),
        ({}, {}, "nobody is named"),
        ({"lease": "60s"}, {}, "nobody is named"),
        ({"read": {"any": ["carol"]}, "lease": "1s"}, {}, "lease"),
        ({"read": {"any": ["carol"]}}, {"root": "tag"}, "root: tag"),
    ],
)
async def test_a_policy_that_lends_in_a_way_that_cannot_be_is_refused(
    house: House, people: dict[str, Any], change: dict[str, str], words: str
) -> None:
    sealed = await seal(house)
    document = lent(sealed, people)
    document["volumes"]["lent"] = {**document["volumes"]["records"], **change}
    document["volumes"]["records"].pop("people")
    answer = await house.update(document)
    assert (answer.status, answer.code) == (422, "policy.invalid")
    assert words in json.dumps(answer.data), answer.data
