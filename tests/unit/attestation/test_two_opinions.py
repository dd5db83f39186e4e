"""Our rules for Intel's TCB levels and dcap-qvl's, on security versions at random: one verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dcap_qvl import verify_with_root_ca
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.attestation.platforms.intel.endorsed import endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.second_opinion import _collateral
from casemate.attestation.platforms.intel.vouched import pck_chain
from casemate.errors import EvidenceError
from casemate.testing.intel.bodies import MachinePlan
from casemate.testing.intel.plan import Plan, right, with_machine
from casemate.testing.intel.wrong import quoting
from tests.unit.attestation.intel import judge, trusting

AROUND = st.sampled_from([0] * 12 + [1, -1])


@st.composite
def plans(draw: st.DrawFn, *, sgx_only: bool = False) -> Plan:
    """Machines, modules and quoting enclaves near one level, so that most parts are, and some are not."""
    level = draw(st.integers(1, 8))

    def versions(count: int) -> list[int]:
        return [level + step for step in draw(st.lists(AROUND, min_size=count, max_size=count))]

    def of_the_module() -> bytes:
        return bytes((draw(st.integers(0, 6)), draw(st.sampled_from([0, 1, 1, 1, 2, 3])), *versions(14)))

    tdx, newer = not sgx_only and draw(st.booleans()), draw(st.booleans())
    body: dict[str, Any] = {"tee_tcb_svn": of_the_module()} if tdx else {}
    if tdx and newer:
        body["current"] = draw(st.sampled_from([body["tee_tcb_svn"], of_the_module()]))
    plan = right(tdx=tdx, version=(5 if newer else 4) if tdx else 3, newer=tdx and newer, body=body)
    plan = with_machine(plan, MachinePlan(versions=tuple(versions(16)), pce_svn=versions(1)[0]))
    return quoting(svn=draw(st.integers(3, 9)))(plan)


@settings(max_examples=100, deadline=None)
@given(plan=plans(sgx_only=True), version=st.sampled_from([4, 5]))
def test_the_version_of_an_sgx_quote_changes_nothing_of_our_verdict(plan: Plan, version: int) -> None:
    """On version 3 the other implementation agrees."""
    kind = 1 if version == 5 else None
    later = replace(plan, quote=replace(plan.quote, version=version, body_kind=kind))
    assert verdict(later) == verdict(plan)


def verdict(plan: Plan) -> object:
    try:
        claims = judge(plan)
    except EvidenceError as error:
        return error.step, error.got
    return claims.tcb_status, claims.advisories, claims.details["tcb_date"]


TCB_STEPS = {"evidence.tcb", "evidence.tcb_revoked", "evidence.module", "evidence.qe_identity"}


@settings(max_examples=200, deadline=None)
@given(plan=plans())
def test_both_say_the_same(plan: Plan) -> None:
    step = refused_at(plan)
    assert step is None or (step in TCB_STEPS and theirs(plan) in (None, "Revoked"))


def refused_at(plan: Plan) -> str | None:
    """None of what verifies, so by both: where they differ, it is at another step."""
    try:
        judge(plan)
    except EvidenceError as error:
        return error.step
    return None


def theirs(plan: Plan) -> str | None:
    """None of a refusal."""
    with trusting(plan.root):
        quote = Quote.parse(plan.evidence().report)
        known = endorsed(pck_chain(quote, plan.root), plan.endorsements(), plan.root, tdx=plan.tdx)
        try:
            found = verify_with_root_ca(quote.whole, _collateral(known), plan.root, int(plan.at.timestamp()))
        except ValueError:
            return None
        return str(found.status)
