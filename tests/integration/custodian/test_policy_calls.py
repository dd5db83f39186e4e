"""Policies over HTTP: who may create, update and read them; of two at once exactly one wins."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casemate.custodian import policies
from casemate.custodian.policies import MAX_RSA_KEYS, MAX_SIGNATURE_AGE
from casemate.wire import canonical, sealing
from casemate.wire.binding import sha256_text
from casemate.wire.dsse import INSTANCE_TYPE
from casemate.wire.fields import b64u_encode, format_time

from .conftest import House, Story, public_key


async def test_a_policy_that_was_created_can_be_read_back(story: Story) -> None:
    alice = story.house.caller(story.house.alice)
    found = await alice.ask("GET", "/v1/policies", query="name=acme/records")
    assert found.data == {"genesis": story.identity}
    shown = (await alice.ask("GET", f"/v1/policies/{story.identity}")).data
    assert (shown["genesis"], shown["version"], shown["number"]) == (b64u_encode(story.genesis), story.version, 1)
    history = (await alice.ask("GET", f"/v1/policies/{story.identity}/versions")).data["versions"]
    assert [(entry["version"], entry["number"]) for entry in history] == [(story.version, 1)]
    assert history[0]["signers"] == [public_key(story.house.alice)]


async def test_an_update_replaces_the_newest_version_and_keeps_the_history(story: Story) -> None:
    first = story.version
    await story.change_service(lease="60s")
    alice = story.house.caller(story.house.alice)
    shown = (await alice.ask("GET", f"/v1/policies/{story.identity}")).data
    assert (shown["version"], shown["number"]) == (story.version, 2)
    history = (await alice.ask("GET", f"/v1/policies/{story.identity}/versions")).data["versions"]
    assert [(entry["number"], entry.get("predecessor")) for entry in history] == [(2, first), (1, None)]


async def test_an_update_signed_by_a_stranger_is_refused_and_changes_nothing(story: Story) -> None:
    answer = await story.house.update(story.next(services={}), story.house.stranger)
    assert (answer.status, answer.code) == (403, "policy.not_authorised")
    assert "newest" not in answer.data
    assert (await story.shield().attest()).status == 200


async def test_a_stranger_with_an_old_predecessor_does_not_learn_the_newest_version(story: Story) -> None:
    document = story.next(predecessor="sha256:" + "0" * 64)
    answer = await story.house.update(document, story.house.stranger)
    assert (answer.code, "newest" in answer.data) == ("policy.not_authorised", False)


async def test_an_update_of_an_older_version_is_a_conflict_that_names_the_newest(story: Story) -> None:
    stale = story.next(services={})
    await story.change_service(lease="60s")
    answer = await story.house.update(stale)
    assert (answer.status, answer.code, answer.data["newest"]) == (409, "policy.conflict", story.version)


async def test_the_same_update_twice_is_a_conflict(story: Story) -> None:
    document = story.next(services={})
    assert (await story.house.update(document)).status == 201
    answer = await story.house.update(document)
    assert (answer.status, answer.code) == (409, "policy.conflict")


async def test_of_many_concurrent_updates_exactly_one_wins_and_the_others_hear_of_it(story: Story) -> None:
    documents = [story.next(services={}, secrets={f"s{n}": _random()}) for n in range(8)]
    answers = await asyncio.gather(*(story.house.update(document) for document in documents))
    won = [answer for answer in answers if answer.status == 201]
    lost = [answer for answer in answers if answer.status == 409]
    assert (len(won), len(lost)) == (1, 7)
    assert {answer.data["newest"] for answer in lost} == {won[0].data["version"]}
    shown = await story.house.caller(story.house.alice).ask("GET", f"/v1/policies/{story.identity}")
    assert (shown.data["version"], shown.data["number"]) == (won[0].data["version"], 2)


async def test_of_two_creations_of_one_name_exactly_one_wins(house: House) -> None:
    async def create() -> int:
        genesis = house.genesis()
        return (await house.create(genesis, house.document(genesis, b"{}"))).status

    assert sorted(await asyncio.gather(*(create() for _ in range(4)))) == [201, 409, 409, 409]


async def test_of_two_creations_of_one_name_in_an_own_namespace_exactly_one_wins(story: Story) -> None:
    house = story.house

    async def create() -> int:
        genesis = house.genesis("acme/twice")
        return (await house.create(genesis, house.document(genesis, b"{}"))).status

    house.parts.state.together = asyncio.Barrier(4)
    assert sorted(await asyncio.gather(*(create() for _ in range(4)))) == [201, 409, 409, 409]


async def test_a_namespace_belongs_to_its_first_owner(story: Story) -> None:
    house = story.house
    genesis = house.genesis("acme/other", owner=house.stranger)
    document = house.document(genesis, story.manifest)
    answer = await house.create(genesis, document, house.stranger)
    assert (answer.status, answer.code, answer.data["step"]) == (403, "policy.not_authorised", "submission.namespace")
    elsewhere = house.genesis("other/records", owner=house.stranger)
    assert (await house.create(elsewhere, house.document(elsewhere, b"{}"), house.stranger)).status == 201
    mine = house.genesis("acme/mine")
    assert (await house.create(mine, house.document(mine, b"{}"))).status == 201


async def test_a_name_is_taken_once_even_by_its_owner(story: Story) -> None:
    genesis = story.house.genesis()
    answer = await story.house.create(genesis, story.house.document(genesis, b"{}"))
    assert (answer.status, answer.code, answer.data["step"]) == (409, "policy.conflict", "submission.name")


async def test_the_same_creation_twice_is_a_conflict(story: Story) -> None:
    answer = await story.house.create(story.genesis, story.document)
    assert (answer.status, answer.code) == (409, "policy.conflict")


async def test_a_first_version_with_a_predecessor_is_a_conflict(house: House) -> None:
    genesis = house.genesis()
    document = {**house.document(genesis, b"{}"), "predecessor": "sha256:" + "0" * 64}
    assert (await house.create(genesis, document)).code == "policy.conflict"


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"custodian": "sha256:" + "1" * 64}, "submission.custodian"),
        ({"genesis": "sha256:" + "1" * 64}, "submission.genesis"),
        ({"expires": format_time(datetime.now(UTC) - timedelta(seconds=1))}, "submission.expires"),
    ],
)
async def test_a_submission_for_elsewhere_or_of_yesterday_is_refused(house: House, change: Any, step: str) -> None:
    genesis = house.genesis()
    envelope = house.envelope(house.document(genesis, b"{}"), **change)
    body = {"genesis": b64u_encode(genesis), "submission": envelope}
    answer = await house.caller(house.alice).ask("POST", "/v1/policies", body)
    assert (answer.status, answer.data["step"]) == (403, step)


async def test_an_envelope_for_another_purpose_or_with_a_bad_signature_is_refused(story: Story) -> None:
    house, document = story.house, story.next(services={})
    for envelope in (
        house.envelope(document, payload_type=INSTANCE_TYPE),
        {**house.envelope(document), "payload": house.envelope(story.next())["payload"]},
    ):
        path = f"/v1/policies/{story.identity}/versions"
        answer = await house.caller(house.alice).ask("POST", path, {"submission": envelope})
        assert (answer.status, answer.code) == (403, "policy.not_authorised")


async def test_a_document_with_a_mistake_is_refused_with_what_to_write_instead(house: House) -> None:
    genesis = house.genesis()
    document = {**house.document(genesis, b"{}"), "colour": "red"}
    answer = await house.create(genesis, document)
    assert (answer.status, answer.code) == (422, "policy.invalid")
    assert "colour" in answer.data["detail"]


async def test_an_update_of_a_policy_that_is_not_there_is_refused(house: House) -> None:
    genesis = house.genesis()
    answer = await house.update(house.document(genesis, b"{}"))
    assert (answer.status, answer.code) == (404, "policy.unknown")


async def test_principals_of_the_newest_version_count_not_those_of_the_genesis(story: Story) -> None:
    house = story.house
    await story.accept(story.next(principals={"bob": {"key": public_key(house.bob)}}, access=_access("bob")))
    path = f"/v1/policies/{story.identity}"
    assert (await house.caller(house.bob).ask("GET", path)).status == 200
    assert (await house.caller(house.alice).ask("GET", path)).status == 404
    assert (await house.update(story.next(services={}), house.alice)).status == 403
    assert (await house.update(story.next(services={}), house.bob)).status == 201


@pytest.mark.parametrize(("count", "status"), [(MAX_RSA_KEYS, 201), (MAX_RSA_KEYS + 1, 422)])
async def test_the_keys_that_one_submission_has_made_are_bounded(
    story: Story, monkeypatch: pytest.MonkeyPatch, count: int, status: int
) -> None:
    rsa = {f"k{n}": {"kind": "private-key", "algorithm": "rsa3072"} for n in range(count)}
    answer = await story.house.update(story.next(services={}, secrets=rsa))
    assert answer.status == status
    assert status == 201 or answer.data["step"] == "secrets.work"


async def test_the_secrets_of_a_policy_are_bounded_over_its_history(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that left the document are kept; one more than can be kept would push an old one out."""
    monkeypatch.setattr(policies, "MAX_SECRETS", 4)
    await story.accept(story.next(services={}, secrets={"s1": _random(), "s2": _random()}))
    answer = await story.house.update(story.next(secrets={"s3": _random()}))
    assert (answer.status, answer.data["step"]) == (422, "secrets.count")
    await story.accept(story.next(secrets={"s1": _random()}))


# Reading


PATHS = ("/v1/policies/{0}", "/v1/policies/{0}/versions", "/v1/policies/{0}/decisions")


@pytest.mark.parametrize("path", PATHS)
async def test_without_read_a_policy_is_as_if_it_were_not_there(story: Story, path: str) -> None:
    stranger = story.house.caller(story.house.stranger)
    hidden = await stranger.ask("GET", path.format(story.identity))
    absent = await stranger.ask("GET", path.format("sha256:" + "7" * 64))
    for answer in (hidden, absent):
        assert (answer.status, answer.code) == (404, "policy.unknown")
    assert {**hidden.data, "id": ""} == {**absent.data, "id": ""}


async def test_without_read_a_name_is_as_if_it_were_not_there(story: Story) -> None:
    stranger = story.house.caller(story.house.stranger)
    for name in ("acme/records", "acme/nothing"):
        assert (await stranger.ask("GET", "/v1/policies", query=f"name={name}")).code == "policy.unknown"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sign", [-1, 1])
async def test_a_reading_request_is_good_for_five_minutes_around_its_signature(
    story: Story, path: str, sign: int
) -> None:
    alice = story.house.caller(story.house.alice)
    now = int((await story.house.parts.state.now()).timestamp())
    late = await alice.ask("GET", path.format(story.identity), created=now + sign * (MAX_SIGNATURE_AGE + 5))
    assert (late.status, late.code) == (401, "request.stale")
    young = await alice.ask("GET", path.format(story.identity), created=now + sign * (MAX_SIGNATURE_AGE - 5))
    assert young.status == 200


@pytest.mark.parametrize("query", ["", "name=", "name=a/b&name=a/b", "name=acme/records&x=1", "x", "name=%ff", "&"])
async def test_a_query_that_the_call_does_not_have_is_refused(story: Story, query: str) -> None:
    answer = await story.house.caller(story.house.alice).ask("GET", "/v1/policies", query=query)
    assert answer.status in {400, 404}
    assert answer.code in {"request.malformed", "policy.unknown"}


# Values that only their owner knows


async def test_a_sealed_value_reaches_the_workload_and_nobody_else(house: House) -> None:
    genesis = house.genesis()
    manifest = house.manifest(genesis)
    value, salt = b"swordfish", os.urandom(32)
    commitment = sha256_text(sealing.value_commitment(salt, value))
    document = house.document(genesis, manifest)
    document["secrets"]["password"] = {"kind": "value", "commitment": commitment}
    sealed = _sealed(house, genesis, value, salt, commitment)
    created = await house.create(genesis, document, sealed={"password": sealed})
    assert created.status == 201, created.body
    shield = Story(house, genesis, manifest, document, created.data["version"]).shield()
    request = await shield.request()
    answer = await shield.attest(request)
    assert shield.open(request, answer).holes["PASSWORD"] == "swordfish"


async def test_a_sealed_value_that_is_not_the_committed_one_is_refused(house: House) -> None:
    genesis = house.genesis()
    salt = os.urandom(32)
    commitment = sha256_text(sealing.value_commitment(salt, b"swordfish"))
    document = house.document(genesis, house.manifest(genesis))
    document["secrets"]["password"] = {"kind": "value", "commitment": commitment}
    sealed = _sealed(house, genesis, b"trout", salt, commitment)
    answer = await house.create(genesis, document, sealed={"password": sealed})
    assert (answer.status, answer.code) == (422, "policy.invalid")
    assert "trout" not in answer.body.decode()


async def test_a_value_that_was_sealed_for_another_policy_is_refused(house: House) -> None:
    genesis = house.genesis()
    salt = os.urandom(32)
    commitment = sha256_text(sealing.value_commitment(salt, b"swordfish"))
    document = house.document(genesis, house.manifest(genesis))
    document["secrets"]["password"] = {"kind": "value", "commitment": commitment}
    sealed = _sealed(house, house.genesis("acme/other"), b"swordfish", salt, commitment)
    answer = await house.create(genesis, document, sealed={"password": sealed})
    assert (answer.status, answer.code) == (422, "policy.invalid")


def _sealed(house: House, genesis: bytes, value: bytes, salt: bytes, commitment: str) -> str:
    identity = house.parts.identity
    info = sealing.value_info(
        custodian=identity.identity, genesis=sha256_text(genesis), name="password", commitment=commitment
    )
    plain = canonical.encode({"value": b64u_encode(value), "salt": b64u_encode(salt)})
    return b64u_encode(sealing.seal(plain, identity.sealing_key, info=info))


def _random() -> dict[str, Any]:
    return {"kind": "random", "bytes": 16, "encoding": "hex"}


def _access(name: str) -> dict[str, Any]:
    return {"read": {"any": [name]}, "update": {"any": [name]}}
