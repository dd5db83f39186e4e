"""Revocation lists never go back: a newer one that was seen once makes every older one worthless, for that root."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from casemate.attestation.verify import Expected, verify
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.custodian.release_floors import Floors
from casemate.wire.evidence import Endorsements, Evidence

from .conftest import House, Story


def claims_by_list(house: House, number: int, issuer: str | None = None) -> VerifiedClaims:
    """What a verifier finds, but by another list than the platform's."""
    platform = house.platform
    found = verify(
        Evidence(format="sev-snp-report", report=platform.report(bytes(48), bytes(32), bytes(64))),
        Endorsements(certificates=platform.certificate_table, crls=list(platform.crls)),
        roots=house.custodian.roots,
        at=datetime.fromtimestamp(house.parts.clock(), UTC),
        expected=Expected(report_data=bytes(64), manifest=bytes(32)),
    )
    facts: dict[str, Any] = {item.name: getattr(found, item.name) for item in fields(found)}
    facts["seen"] = {issuer or platform.root_fingerprint: number}
    return VerifiedClaims(**facts, token=VERIFIER_TOKEN)


async def test_a_release_raises_the_floor_of_its_root(story: Story) -> None:
    assert await story.house.custodian.floors.current() == {}
    assert (await story.shield().attest()).status == 200
    assert await story.house.custodian.floors.current() == {story.house.platform.root_fingerprint: 1}


async def test_a_list_older_than_one_seen_is_refused_and_not_only_by_who_saw_it(story: Story) -> None:
    assert (await story.shield().attest()).status == 200
    # Another worker verified by a newer list; this one looks again when its own memory is old.
    await Floors(story.house.parts.state).raise_to(claims_by_list(story.house, 2))
    story.house.custodian.floors._read_at = None
    answer = await story.shield().attest()
    assert (answer.status, answer.code) == (403, "evidence.refused")
    metrics = story.house.custodian.metrics.render().decode()
    assert 'step="evidence.crl_floor"' in metrics


async def test_a_floor_never_goes_down_and_is_of_one_root(story: Story) -> None:
    floors = Floors(story.house.parts.state)
    await floors.raise_to(claims_by_list(story.house, 5))
    await floors.raise_to(claims_by_list(story.house, 4))
    # A worker that knows of nothing yet: what is stored counts.
    await Floors(story.house.parts.state).raise_to(claims_by_list(story.house, 3))
    await floors.raise_to(claims_by_list(story.house, 9, issuer="sha256:" + "a" * 64))
    assert await Floors(story.house.parts.state).current() == {
        story.house.platform.root_fingerprint: 5,
        "sha256:" + "a" * 64: 9,
    }


async def test_there_is_room_for_many_authorities(house: House) -> None:
    floors = Floors(house.parts.state)
    seen = claims_by_list(house, 1)
    facts: dict[str, Any] = {item.name: getattr(seen, item.name) for item in fields(seen)}
    facts["seen"] = {f"sha256:{number:064x}": number for number in range(1024)}
    await floors.raise_to(VerifiedClaims(**facts, token=VERIFIER_TOKEN))
    assert len(await Floors(house.parts.state).current()) == 1024
