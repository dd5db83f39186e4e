"""Decisions over HTTP: for those with `read`, newest first, bounded."""

from __future__ import annotations

import pytest

from casemate.custodian.settings import Settings
from casemate.custodian.workers_janitor import clean

from .conftest import Story, make_app


async def test_a_decision_is_hidden_from_strangers_like_one_that_never_was(story: Story) -> None:
    decision = (await story.shield().attest()).data["decision"]
    stranger = story.house.caller(story.house.stranger)
    for wanted in (decision, "0" * 40, "x", "0" * 39, decision.upper(), "..%2f.."):
        answer = await stranger.ask("GET", f"/v1/decisions/{wanted}")
        assert (answer.status, answer.code) in {(404, "decision.unknown"), (404, "request.not_found")}


async def test_decisions_are_listed_newest_first(story: Story) -> None:
    made = [(await story.shield().attest()).data["decision"] for _ in range(3)]
    alice = story.house.caller(story.house.alice)
    listed = (await alice.ask("GET", f"/v1/policies/{story.identity}/decisions", query="limit=2")).data["decisions"]
    assert sorted(entry["id"] for entry in listed) == sorted(made)[1:]
    everything = (await alice.ask("GET", f"/v1/policies/{story.identity}/decisions")).data["decisions"]
    assert [entry["id"] for entry in everything] == sorted(made, reverse=True)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "x", "1&limit=2", "٣", "1e1", "0x1", "%20 1"])
async def test_a_limit_is_a_number_from_1_to_100(story: Story, limit: str) -> None:
    alice = story.house.caller(story.house.alice)
    path = f"/v1/policies/{story.identity}/decisions"
    assert (await alice.ask("GET", path, query="limit=100")).status == 200
    answer = await alice.ask("GET", path, query=f"limit={limit}".replace("٣", "%D9%A3").replace(" ", ""))
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_old_decisions_are_pruned_and_the_newest_stay(story: Story) -> None:
    house = story.house
    house.app = make_app(house.parts, house.platform, Settings(decisions_kept=2))
    made = sorted([(await story.shield().attest()).data["decision"] for _ in range(4)])
    await clean(house.custodian, await house.parts.state.now())
    alice = house.caller(house.alice)
    listed = (await alice.ask("GET", f"/v1/policies/{story.identity}/decisions")).data["decisions"]
    assert [entry["id"] for entry in listed] == made[:1:-1]
    assert (await alice.ask("GET", f"/v1/decisions/{made[0]}")).code == "decision.unknown"


async def test_no_secret_is_in_a_decision_or_on_the_wire(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    answer = await shield.attest(request)
    configuration = shield.open(request, answer)
    recorded = str(await story.house.why(answer.data["decision"]))
    for secret in (configuration.holes["PASSWORD"], configuration.files[0].content.decode().splitlines()[1]):
        assert secret not in recorded
        assert secret not in answer.body.decode()
    assert "PASSWORD" not in repr(configuration)
