"""Endorsements that lie beside the custodian's state: what evidence came without is found there."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp import wanted
from casemate.attestation.platforms.sev_snp.table import ARK, parse_certificate_table
from casemate.endorsements.cache import Cache
from casemate.wire.fields import b64u_decode

from .conftest import Answer, Story, make_app


async def without_lists(story: Story) -> tuple[Answer, bytes]:
    """What came of evidence without its revocation list, and that list."""
    shield = story.shield()
    request = await shield.request()
    (crl,) = request["endorsements"]["crls"]
    request["endorsements"]["crls"] = []
    return await shield.attest(request), b64u_decode(crl)


async def test_a_list_that_did_not_come_is_found_in_the_cache(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await story.shield().request()
    root = Certificate.parse(parse_certificate_table(b64u_decode(request["endorsements"]["certificates"]))[ARK], "root")
    # As for AMD's roots, without which the cache is not asked for simulated evidence.
    monkeypatch.setattr(wanted, "shipped_roots", lambda: {root.subject: root})
    cache = Cache(tmp_path)
    house = story.house
    house.app = make_app(house.parts, house.platform, endorsements=cache)
    refused, crl = await without_lists(story)
    assert (refused.status, refused.code) == (403, "policy.denied")
    cache.put("amd/milan/crl.der", crl)
    admitted, _ = await without_lists(story)
    assert admitted.status == 200, admitted.body


async def test_what_lies_in_the_cache_does_not_harm_simulated_evidence(story: Story, tmp_path: Path) -> None:
    _, crl = await without_lists(story)
    cache = Cache(tmp_path)
    cache.put("amd/milan/crl.der", crl)
    story.house.app = make_app(story.house.parts, story.house.platform, endorsements=cache)
    assert (await story.shield().attest()).status == 200
