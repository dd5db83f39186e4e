"""Results verify by the keys that anybody may ask for, as long as they live: over renewals, and over starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt
import pytest

from casemate.client.verification import instance_certificate
from casemate.custodian.keeper import Engine
from casemate.custodian.keys import Instance, issue_instance
from casemate.custodian.keys.signers import MAX_LISTED, Signers, remembering
from casemate.errors import StoreError

from .conftest import House, Story, make_app

HOUR: Final = 3600


def engine_of(house: House) -> Engine:
    return Engine(house.parts.sealed, None, house.parts.clock)


def renew(house: House) -> Instance:
    """As the keeper does it."""
    engine = engine_of(house)
    secret = issue_instance(house.parts.identity, datetime.fromtimestamp(engine.now(), UTC))
    engine.keep(remembering(secret, engine.range, engine.now()))
    house.parts.instance.replace(secret)
    return house.parts.instance


async def key_set(house: House) -> dict[str, Any]:
    transport = httpx.ASGITransport(app=house.app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://custodian") as client:
        value: dict[str, Any] = (await client.get("/v1/jwks")).json()
        return value


def verifies(token: str, keys: dict[str, Any]) -> bool:
    """As a library for JWT does it, which has the key set and nothing else. Time is the caller's."""
    known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(keys).keys}
    named = jwt.get_unverified_header(token)["kid"]
    if named not in known:
        return False
    jwt.decode(token, known[named], algorithms=["EdDSA"], options={"verify_exp": False, "verify_iat": False})
    return True


async def test_a_result_of_the_key_before_verifies_until_that_has_ended(story: Story) -> None:
    house = story.house
    renew(house)
    shield = story.shield()
    token = (await shield.attest(await shield.request())).data["result"]
    assert verifies(token, await key_set(house))
    for hours in (12, 11.7):
        house.parts.clock.advance(hours * HOUR)
        renew(house)
        assert verifies(token, await key_set(house)), hours
    house.parts.clock.advance(0.3 * HOUR)
    assert not verifies(token, await key_set(house)), "its signer's certificate has ended, and it with that"
    assert len((await key_set(house))["keys"]) == 2


async def test_a_result_verifies_after_the_custodian_was_started_again(story: Story) -> None:
    house = story.house
    renew(house)
    shield = story.shield()
    token = (await shield.attest(await shield.request())).data["result"]
    renew(house)
    house.app = make_app(house.parts, house.platform)
    assert verifies(token, await key_set(house))


async def test_the_own_key_comes_first_and_each_comes_once_with_its_certificate(house: House) -> None:
    keys = [renew(house).signing_key().text for _ in range(3)]
    found = (await key_set(house))["keys"]
    assert found[0]["kid"] == keys[-1]
    assert {key["kid"] for key in found} == set(keys)
    assert len(found) == 3
    for key in found:
        assert instance_certificate(key["casemate_instance"], house.parts.identity.genesis).key == key["kid"]
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg", "casemate_instance"}, "and nothing private"


async def test_a_custodian_that_is_started_often_tells_the_newest(house: House) -> None:
    keys = []
    for _ in range(MAX_LISTED + 5):
        house.parts.clock.advance(1)
        keys.append(renew(house).signing_key().text)
    assert [key["kid"] for key in (await key_set(house))["keys"]] == keys[: -MAX_LISTED - 1 : -1]


async def test_what_has_ended_is_forgotten_with_the_next_renewal(house: House) -> None:
    for _ in range(3):
        renew(house)
    house.parts.clock.advance(24 * HOUR)
    renew(house)
    assert len(engine_of(house).range("instances/", limit=100, after=None, reverse=False)) == 1


async def test_the_store_is_asked_once_for_each_key_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    renew(house)
    asked: list[str] = []
    ranged = house.parts.state.range

    async def counted(prefix: str, **more: Any) -> Any:
        asked.append(prefix)
        return await ranged(prefix, **more)

    monkeypatch.setattr(house.parts.state, "range", counted)
    signers, now = Signers(house.parts.state), datetime.fromtimestamp(house.parts.clock(), UTC)
    for _ in range(3):
        await signers.good_at(now, house.parts.instance.signing_key())
    read = len(asked)
    renew(house)
    assert len(await signers.good_at(now + timedelta(seconds=1), house.parts.instance.signing_key())) == 2
    assert (read > 0, len(asked) > read) == (True, True)
    before = len(asked)
    await signers.good_at(now, house.parts.instance.signing_key())
    assert len(asked) == before


def test_a_key_that_cannot_be_remembered_is_no_key(house: House) -> None:
    house.parts.store.fail_writes = True
    before = house.parts.instance.signing_key().text
    with pytest.raises(StoreError):
        renew(house)
    assert house.parts.instance.signing_key().text == before
