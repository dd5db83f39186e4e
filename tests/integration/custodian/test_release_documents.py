"""Vendors' documents never go back under a policy that admitted by newer ones; nobody moves another policy's floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from casemate.attestation.verify import verify
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.custodian import release
from casemate.custodian.release_documents import seen_documents
from casemate.wire.binding import sha256_text

from .conftest import Answer, House, Shield, Story

NAME = "tcb-info:tdx:b0c06f000000:evaluation"

Chosen = Callable[..., None]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Chosen:
    """Evidence as from a machine of Intel's, endorsed by documents with these numbers."""

    def choose(**numbers: int) -> None:
        def verified(*given: Any, **how: Any) -> VerifiedClaims:
            found = verify(*given, **how)
            facts: dict[str, Any] = {item.name: getattr(found, item.name) for item in fields(found)}
            facts["chosen"] = {NAME.replace("tdx", platform): number for platform, number in numbers.items()}
            return VerifiedClaims(**facts, token=VERIFIER_TOKEN)

        monkeypatch.setattr(release, "verify", verified)

    return choose


async def denied(story: Story, answer: Answer) -> dict[str, Any]:
    assert (answer.status, answer.code, answer.data["step"]) == (403, "policy.denied", "tcb.minima")
    return await story.house.why(answer.data["id"])


async def seen(story: Story) -> dict[str, int]:
    return dict((await seen_documents(story.house.custodian.state, story.identity)).numbers)


async def test_older_documents_than_admitted_before_are_denied_with_what_would_mend_it(
    story: Story, chosen: Chosen
) -> None:
    chosen(tdx=18)
    assert (await story.shield().attest()).status == 200
    assert (await story.shield().attest()).status == 200
    chosen(tdx=17)
    decision = await denied(story, await story.shield().attest())
    assert (decision["expected"], decision["got"]) == (f"{NAME} ≥ 18, as admitted before", f"{NAME} 17")
    assert "current documents" in decision["remedy"]
    assert [step["held"] for step in decision["steps"]].count(False) == 1


async def test_a_floor_is_of_one_kind_of_document_and_only_rises(story: Story, chosen: Chosen) -> None:
    for numbers in ({"tdx": 18}, {"sgx": 17}, {"tdx": 19, "sgx": 17}):
        chosen(**numbers)
        assert (await story.shield().attest()).status == 200
    assert await seen(story) == {NAME: 19, NAME.replace("tdx", "sgx"): 17}
    chosen(tdx=18, sgx=20)
    await denied(story, await story.shield().attest())
    assert await seen(story) == {NAME: 19, NAME.replace("tdx", "sgx"): 17}


async def test_releases_by_the_same_documents_write_no_floor_and_so_never_wait_for_each_other(
    story: Story, chosen: Chosen
) -> None:
    chosen(tdx=18)
    revisions = set()
    for _ in range(2):
        assert (await story.shield().attest()).status == 200
        revisions.add((await seen_documents(story.house.custodian.state, story.identity)).revision)
    assert len(revisions) == 1


async def test_what_is_denied_raises_nothing(story: Story, chosen: Chosen) -> None:
    chosen(tdx=99)
    answer = await story.shield().attest(report={"measurement": bytes(48)})
    assert answer.data["step"] == "runtime.measurement"
    assert await seen(story) == {}
    assert NAME not in await story.house.custodian.floors.current()


async def test_a_stranger_with_a_policy_and_a_machine_of_his_own_locks_nobody_out(
    house: House, story: Story, chosen: Chosen
) -> None:
    genesis = house.genesis("mallory/own", owner=house.stranger)
    manifest = house.manifest(genesis)
    assert (await house.create(genesis, house.document(genesis, manifest), house.stranger)).status == 201
    chosen(tdx=99)
    assert (await Shield(house, manifest).attest()).status == 200
    assert (await seen_documents(house.custodian.state, sha256_text(genesis))).numbers == {NAME: 99}
    assert set(await house.custodian.floors.current()) == {house.platform.root_fingerprint}
    chosen(tdx=17)
    assert (await story.shield().attest()).status == 200


async def test_of_two_at_once_none_lowers_what_the_other_raised(
    story: Story, chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(tdx=18)
    fired: list[bool] = []

    async def looked_up_before(state: Any, genesis: str) -> Any:
        found = await seen_documents(state, genesis)
        if not fired:
            fired.append(True)
            chosen(tdx=19)
            assert (await story.shield().attest()).status == 200
        return found

    monkeypatch.setattr(release, "seen_documents", looked_up_before)
    await denied(story, await story.shield().attest())
    assert await seen(story) == {NAME: 19}
