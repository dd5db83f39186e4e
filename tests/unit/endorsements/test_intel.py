"""Intel's service, made up: what it publishes endorses quotes; what is newer in the cache counts against what came."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel import chain
from casemate.attestation.verify import Roots, verify
from casemate.attestation.wanted import Wanted
from casemate.claims import VerifiedClaims
from casemate.endorsements.cache import Cache, Kept
from casemate.endorsements.fetching import Fetcher, Pace
from casemate.errors import EndorsementError, EvidenceRejectedError
from casemate.testing.intel.plan import Plan, right
from casemate.testing.vendors import Answer, service, with_chain
from casemate.wire.evidence import NO_ENDORSEMENTS, Endorsements


def wanted(plan: Plan) -> tuple[Wanted, ...]:
    evidence = plan.evidence()
    return FORMATS[evidence.format].wanted(evidence.report, NO_ENDORSEMENTS)


def publishes(plan: Plan) -> dict[str, Answer]:
    """As Intel's service answers: certificates in headers."""
    endorsements = plan.endorsements()
    root_list, authority_list = endorsements.crls
    info, identity = endorsements.documents
    bodies = (root_list, authority_list, identity, info)
    return {
        one.path: Answer(body) if one.chain is None else with_chain(body, one.chain[0], endorsements.certificates)
        for one, body in zip(wanted(plan), bodies, strict=True)
    }


def filled(cache: Cache, plan: Plan) -> dict[str, Kept | None]:
    with service(publishes(plan)) as intel:
        services: dict[Any, str] = dict.fromkeys(("amd", "intel", "intel-root"), intel.url)
        return dict(Fetcher(cache, services=services, pace=Pace(apart={})).fetch(wanted(plan), now=plan.at))


def judged(plan: Plan, endorsements: Endorsements) -> VerifiedClaims:
    with patch.object(chain, "shipped_root", lambda: Certificate.parse(plan.root, "root")):
        return verify(plan.evidence(), endorsements, roots=Roots(intel=True), at=plan.at, expected=plan.expected())


@pytest.mark.parametrize("tdx", [True, False])
def test_what_is_fetched_endorses_a_quote_and_its_ends_are_known(cache: Cache, tdx: bool) -> None:
    plan = right(tdx=tdx)
    with pytest.raises(EndorsementError):
        judged(plan, NO_ENDORSEMENTS)
    became = filled(cache, plan)
    assert set(became.values()) <= {Kept.NEW, Kept.SAME}
    claims = judged(plan, cache.completed(plan.evidence(), NO_ENDORSEMENTS))
    assert claims.tcb_status == "up-to-date"
    for one in wanted(plan):
        facts = cache.facts(one.name)
        assert facts is not None
        assert claims.ends[one.name] == facts.end


def test_a_document_that_revokes_counts_against_an_older_one_that_came(cache: Cache) -> None:
    """Whoever sends last month's TCB info along does not hide what this month's says."""
    plan = right(tdx=True)
    levels = [{**level, "tcbStatus": "Revoked"} for level in plan.info["tcbLevels"]]
    filled(cache, replace(plan, info={**plan.info, "tcbEvaluationDataNumber": 99, "tcbLevels": levels}))
    assert judged(plan, plan.endorsements()).tcb_status == "up-to-date"
    with pytest.raises(EvidenceRejectedError, match="Revoked"):
        judged(plan, cache.completed(plan.evidence(), plan.endorsements()))
