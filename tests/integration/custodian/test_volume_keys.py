"""Keys of volumes at release: made once, given to those whom the policy names, under an anchor that it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.custodian.policies_volumes import MAX_VOLUMES
from casemate.wire.release import ConfiguredVolume

from .conftest import House
from .volumes import RECORDS, Sealed, seal


@pytest.fixture
async def sealed(house: House) -> Sealed:
    return await seal(house)


async def released(sealed: Sealed, service: str = "api") -> ConfiguredVolume:
    shield = sealed.story.shield(sealed.manifests[service])
    request = await shield.request()
    answer = await shield.attest(request)
    assert answer.status == 200, answer.body
    (volume,) = shield.open(request, answer).volumes or ()
    return volume


async def test_every_service_gets_the_same_key_in_its_own_mode(sealed: Sealed) -> None:
    write, read = await released(sealed), await released(sealed, "reader")
    assert len(write.key) == 32
    assert write.key == read.key
    assert (write.path, write.volume, write.mode, read.mode) == ("/data", "records", "write", "read")
    assert (write.freshness, write.root, write.interval_ms) == ("strict", "hash", None)


async def test_a_key_stays_over_updates_also_while_nobody_names_the_volume(sealed: Sealed) -> None:
    first = (await released(sealed)).key
    await sealed.story.accept(sealed.document(freshness="interval", interval="1s"))
    second = await released(sealed)
    assert (second.key, second.freshness, second.interval_ms) == (first, "interval", 1000)
    whole = sealed.story.document
    await sealed.story.accept(sealed.story.next(services={}, volumes={}))
    await sealed.story.accept(sealed.story.next(services=whole["services"], volumes=whole["volumes"]))
    assert (await released(sealed)).key == first


async def test_a_root_never_changes(sealed: Sealed) -> None:
    document = sealed.document(root="tag")
    del document["services"]["second"], document["services"]["reader"]
    answer = await sealed.house.update(document)
    assert (answer.status, answer.code, answer.data["step"]) == (422, "policy.invalid", "volumes.root")


async def test_a_strict_volume_is_refused_where_the_anchor_is_not_accepted_by_name(sealed: Sealed) -> None:
    answer = await sealed.house.update(sealed.document(accept_anchor=[]))
    assert (answer.status, answer.code, answer.data["step"]) == (422, "policy.invalid", "submission.anchor")
    assert "write accept_anchor: [insecure_file] in volumes.records" in answer.data["detail"]


async def test_a_first_version_is_judged_by_the_anchor_too(house: House) -> None:
    genesis = house.genesis()
    document = house.document(genesis, house.manifest(genesis))
    document["volumes"] = {"records": {**RECORDS, "accept_anchor": []}}
    answer = await house.create(genesis, document)
    assert (answer.status, answer.data["step"]) == (422, "submission.anchor")


async def test_volumes_elsewhere_than_in_the_manifest_are_denied(sealed: Sealed) -> None:
    document = sealed.story.next()
    document["services"]["api"]["volumes"] = {"/other": {"volume": "records", "mode": "write"}}
    await sealed.story.accept(document)
    answer = await sealed.story.shield(sealed.manifests["api"]).attest()
    assert (answer.status, answer.code, answer.data["step"]) == (403, "policy.denied", "configuration.fits")
    assert answer.data["got"] == "volumes at /other"


async def test_the_volumes_of_a_policy_are_bounded_over_its_history(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casemate.custodian.policies_volumes.MAX_VOLUMES", 2)
    assert MAX_VOLUMES > 2

    def named(*names: str) -> dict[str, Any]:
        volumes = {name: {"freshness": "none", "root": "hash"} for name in names}
        return sealed.story.next(services={}, volumes=volumes)

    await sealed.story.accept(named("second"))
    answer = await sealed.house.update(named("third"))
    assert (answer.status, answer.data["step"]) == (422, "volumes.count")
    await sealed.story.accept(named("records", "second"))
