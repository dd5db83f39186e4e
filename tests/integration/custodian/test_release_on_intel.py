"""Releases to trust domains and enclaves of a made-up Intel: its verdict on the TCB is the policy's to judge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.sgx.verify import config_of as sgx_config
from casemate.attestation.platforms.tdx.verify import config_of as tdx_config
from casemate.attestation.platforms.tdx.verify import runtime_measurement
from casemate.testing.intel.bodies import ENCLAVE, MachinePlan
from casemate.testing.intel.plan import Change, Plan, right, with_machine
from casemate.wire.binding import digest_bytes, sha256_text
from casemate.wire.fields import format_time
from tests.unit.attestation.intel import trusting

from .conftest import Answer, House, Shield

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
OUT_OF_DATE = MachinePlan(versions=(3,) * 16, pce_svn=3)
WAIVER = {"status": "out-of-date", "advisories": ["INTEL-SA-00003"], "until": f"{NOW + 30 * DAY:%Y-%m-%d}"}


@dataclass
class Machine:
    """What a shield on a machine of Intel's sends, and to which policy."""

    house: House
    genesis: bytes
    manifest: bytes
    tdx: bool

    async def attest(self, *changes: Change) -> Answer:
        shield = Shield(self.house, self.manifest)
        nonce = await shield.nonce()
        plan = current(self._plan(shield.report_data(nonce)))
        for change in changes:
            plan = change(plan)
        evidence, endorsements = plan.evidence(), plan.endorsements()
        request = await shield.request(nonce) | {
            "evidence": evidence.to_object(),
            "endorsements": endorsements.to_object(),
        }
        answer = await shield.attest(request)
        if answer.status == 200:
            assert shield.open(request, answer).holes["port"] == "8080"
        return answer

    def _plan(self, report_data: bytes) -> Plan:
        digest = digest_bytes(sha256_text(self.manifest))
        bound = {"mr_config_id": tdx_config(digest)} if self.tdx else {"config_id": sgx_config(digest)}
        return right(tdx=self.tdx, body={**bound, "report_data": report_data})


def current(plan: Plan, *, issued: datetime = NOW - 2 * DAY, evaluation: int = 20) -> Plan:
    """With lists and documents of these days."""
    said = {
        "issueDate": format_time(issued),
        "nextUpdate": format_time(NOW + 20 * DAY),
        "tcbEvaluationDataNumber": evaluation,
    }
    return replace(
        plan,
        lists=tuple(replace(one, start=NOW - 3 * DAY, end=NOW + 20 * DAY) for one in plan.lists),
        info={**plan.info, **said},
        identity={**plan.identity, **said},
    )


def trusted(tdx: bool) -> str:
    if tdx:
        plain = TdReport.parse(right(tdx=True).quote.body)
        return runtime_measurement(plain)
    return f"sha256:{ENCLAVE['mr_enclave'].hex()}"


@pytest.fixture(params=["tdx", "sgx"])
async def machine(request: pytest.FixtureRequest, house: House) -> AsyncIterator[Callable[..., Any]]:
    """A machine, with a policy that asks this of its platform."""
    tdx = request.param == "tdx"

    async def made(*, name: str = "acme/records", **asked: Any) -> Machine:
        genesis = house.genesis(name, insecure_simulation=False)
        manifest = house.manifest(genesis)
        document = house.document(genesis, manifest)
        document["services"]["api"] |= {
            "platforms": {request.param: {"tcb": {"evaluation": 1}, **asked}},
            "runtime": {"measurements": {request.param: [trusted(tdx)]}},
        }
        answer = await house.create(genesis, document)
        assert answer.status == 201, answer.body
        return Machine(house, genesis, manifest, tdx)

    with trusting(right(tdx=tdx).root):
        yield made


async def test_who_proved_what_it_is_gets_its_configuration(machine: Callable[..., Any]) -> None:
    on = await machine(tcb={"evaluation": 20}, require={"fmspc": ["b0c06f000000"]})
    answer = await on.attest()
    assert answer.status == 200, answer.body
    decision = await on.house.why(answer.data["decision"])
    assert decision["claims"]["platform"] == ("tdx" if on.tdx else "sgx")


async def test_a_machine_of_another_kind_is_denied(machine: Callable[..., Any]) -> None:
    on = await machine(require={"fmspc": ["00606a000000"]})
    assert (await on.attest()).status == 403


async def test_a_tcb_that_is_out_of_date_is_denied_until_it_is_waived(machine: Callable[..., Any]) -> None:
    def old(plan: Plan) -> Plan:
        return with_machine(plan, OUT_OF_DATE)

    strict = await machine()
    denied = await strict.attest(old)
    assert (denied.status, denied.code) == (403, "policy.denied")
    decision = await strict.house.why(denied.data["id"])
    assert (decision["step"], decision["got"]) == ("tcb.status", "out-of-date (INTEL-SA-00003)")


async def test_a_tcb_that_is_out_of_date_is_waived_until_a_day(machine: Callable[..., Any]) -> None:
    waived = await machine(waive=[WAIVER])
    answer = await waived.attest(lambda plan: with_machine(plan, OUT_OF_DATE))
    assert answer.status == 200, answer.body


async def test_documents_that_the_vendor_replaced_are_denied_by_a_policy_that_admitted_by_newer_ones(
    machine: Callable[..., Any],
) -> None:
    on = await machine()
    assert (await on.attest(lambda plan: current(plan, evaluation=21))).status == 200
    answer = await on.attest()
    assert (answer.status, answer.code, answer.data["step"]) == (403, "policy.denied", "tcb.minima")
    decision = await on.house.why(answer.data["id"])
    assert "b0c06f000000:evaluation ≥ 21" in decision["expected"]
    assert "qe-identity" in decision["expected"]
    assert (await on.attest(lambda plan: current(plan, evaluation=21))).status == 200


async def test_documents_that_another_fetched_earlier_are_as_good(machine: Callable[..., Any]) -> None:
    on = await machine()
    assert (await on.attest(lambda plan: current(plan, issued=NOW - DAY))).status == 200
    assert (await on.attest()).status == 200


async def test_machines_that_are_not_admitted_lock_nobody_out(machine: Callable[..., Any]) -> None:
    on, other = await machine(), await machine(require={"fmspc": ["00606a000000"]}, name="acme/other")
    assert (await other.attest(lambda plan: current(plan, evaluation=99))).status == 403
    assert (await on.attest()).status == 200


async def test_a_machine_whose_key_is_revoked_gets_nothing(machine: Callable[..., Any]) -> None:
    on = await machine()

    def revoked(plan: Plan) -> Plan:
        return replace(plan, lists=(plan.lists[0], replace(plan.lists[1], revoked=(3,))))

    answer = await on.attest(revoked)
    assert (answer.status, answer.code) == (403, "evidence.refused")
    assert 'step="evidence.revoked"' in on.house.custodian.metrics.render().decode()
