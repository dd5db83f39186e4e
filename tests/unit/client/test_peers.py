"""What is asked of the platform behind a certificate with evidence, and that the default asks enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.tdx.verify import runtime_measurement
from casemate.attestation.ra_tls import WantedPeer
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.client import peers
from casemate.client.peers import UP_TO_DATE_PLATFORMS, verify_peer
from casemate.client.ra_tls import Peer, PeerRefusedError, _verify, attested_context
from casemate.errors import EvidenceRejectedError
from casemate.platforms import PLATFORMS
from casemate.policy._platforms import Waiver, _hollow_faults
from casemate.policy.model import Asked
from casemate.testing.intel.plan import AT
from tests.unit.attestation.intel import MADE_FOR, over_a_quote, trusting

NOW = datetime(2026, 7, 1, tzinfo=UTC)
WANTED = WantedPeer("sha256:" + "c" * 64, frozenset(), frozenset())
NOTHING = Asked({}, {}, ())
NEW = Asked({"evaluation": 17}, {}, ())
BOOTED = {f"pcr{number}": frozenset({"aa"}) for number in (0, 4, 7, 8, 9, 12)}

Verified = Callable[..., list[WantedPeer]]


@pytest.fixture
def genuine(monkeypatch: pytest.MonkeyPatch) -> Verified:
    """Certificates carry evidence with these claims; the answer is a list of what was wanted of it."""

    def make(platform: str = "tdx", **change: Any) -> list[WantedPeer]:
        facts: dict[str, Any] = {"tcb": {"evaluation": 17}, "values": {}, **change}
        claims = VerifiedClaims(
            platform=platform,
            product=platform,
            runtime_measurement="sha384:" + "0" * 96,
            manifest=bytes(32),
            report_data=bytes(64),
            hardware=b"",
            verified_at=NOW,
            token=VERIFIER_TOKEN,
            **facts,
        )
        asked: list[WantedPeer] = []

        def verified(_data: bytes, *, wanted: WantedPeer, **_how: Any) -> VerifiedClaims:
            asked.append(wanted)
            return claims

        monkeypatch.setattr(peers, "verify_ra_tls", verified)
        return asked

    return make


def judged(**platforms: Asked) -> VerifiedClaims:
    how = {"platforms": {name.replace("_", "-"): asked for name, asked in platforms.items()}} if platforms else {}
    return verify_peer(b"", roots=Roots(), at=NOW, wanted=WANTED, **how)


def step(**platforms: Asked) -> str | None:
    with pytest.raises(EvidenceRejectedError) as refused:
        judged(**platforms)
    assert refused.value.expected
    assert refused.value.got
    return refused.value.step


def test_by_default_those_are_accepted_of_which_a_policy_has_to_ask_nothing(genuine: Verified) -> None:
    assert set(UP_TO_DATE_PLATFORMS) == PLATFORMS.keys() - {"tpm", "tdx", "sgx"}
    for platform in ("sev-snp", "nitro", "simulated"):
        genuine(platform)
        assert judged().platform == platform
    for platform in ("tdx", "sgx", "tpm"):
        genuine(platform, tcb_status="up-to-date", values={"name": "aa"})
        assert step() == "ra_tls.platform.listed"


@pytest.mark.parametrize("platform", ["tdx", "sgx"])
def test_of_intels_platforms_the_age_of_its_documents_is_asked_for_as_in_policies(
    genuine: Verified, platform: str
) -> None:
    genuine(platform, tcb_status="up-to-date", values={"fmspc": "00"})
    fmspc = {"fmspc": frozenset({"00"})}
    for asked in (NOTHING, Asked({}, fmspc, ()), Asked({"isv" if platform == "sgx" else "module": 0}, fmspc, ())):
        with pytest.raises(EvidenceRejectedError) as refused:
            judged(**{platform: asked})
        assert (refused.value.step, refused.value.expected) == ("ra_tls.tcb.minima", "tcb.evaluation to be asked for")
        assert "evaluation: 17" in str(refused.value.remedy)
    assert judged(**{platform: NEW}).platform == platform
    genuine(platform, tcb_status="up-to-date", tcb={"evaluation": 16})
    assert step(**{platform: NEW}) == "ra_tls.tcb.minima"


def test_what_anybody_may_sign_is_asked_for_only_with_who_did(genuine: Verified) -> None:
    values = {"isv_product": "7", "mrsigner": "aa", "family_id": "00", "id_key_digest": "bb"}
    required = {name: frozenset({value}) for name, value in values.items()}
    for platform, part, other in (("sgx", "isv_product", "mrsigner"), ("sev-snp", "family_id", "id_key_digest")):
        genuine(platform, tcb_status="up-to-date", tcb={"evaluation": 17, "isv": 4, "guest": 3}, values=values)
        of, name = (NEW if platform == "sgx" else NOTHING), platform.replace("-", "_")
        assert step(**{name: replace(of, require={part: required[part]})}) == "ra_tls.platform.values"
        assert judged(**{name: replace(of, require={part: required[part], other: required[other]})})
        version = {**of.tcb, "isv" if platform == "sgx" else "guest": 3}
        assert step(**{name: replace(of, tcb=version)}) == "ra_tls.tcb.minima"
        assert judged(**{name: replace(of, tcb=version, require={other: required[other]})})


def test_what_must_be_asked_here_is_what_a_policy_must_ask() -> None:
    for name, known in PLATFORMS.items():
        faulty = bool(_hollow_faults(name, {"tcb": {}, "require": {}}, ("platforms", name)))
        assert faulty == bool(known.needs) == (name not in UP_TO_DATE_PLATFORMS)


def test_a_certificate_over_a_quote_of_intels_is_accepted_only_with_that() -> None:
    made, plan = over_a_quote(WANTED.custodian)
    runtime = runtime_measurement(TdReport.parse(plan.quote.body))
    wanted = WantedPeer(WANTED.custodian, frozenset({runtime}), frozenset({MADE_FOR}))

    def verified(**platforms: Asked) -> VerifiedClaims:
        how = {"platforms": platforms} if platforms else {}
        return verify_peer(made, roots=Roots(intel=True), at=AT, wanted=wanted, **how)

    with trusting(plan.root):
        assert verified(tdx=NEW).tcb["evaluation"] == 20
        for asked, refusal in (
            ({}, "platform.listed"),
            ({"tdx": NOTHING}, "tcb.minima"),
            ({"tdx": replace(NEW, tcb={"evaluation": 21})}, "tcb.minima"),
        ):
            with pytest.raises(EvidenceRejectedError) as refused:
                verified(**asked)
            assert refused.value.step == f"ra_tls.{refusal}"


@pytest.mark.parametrize("status", sorted(PLATFORMS["tdx"].statuses))
def test_a_tcb_that_its_vendor_warns_of_is_refused_until_that_is_waived(genuine: Verified, status: str) -> None:
    genuine(tcb_status=status, advisories=("INTEL-SA-1",))
    assert step(tdx=NEW) == "ra_tls.tcb.status"
    waiver = Waiver(status, frozenset({"INTEL-SA-1"}), None, NOW + timedelta(days=1))
    assert judged(tdx=replace(NEW, waivers=(waiver,)))
    assert step(tdx=replace(NEW, waivers=(replace(waiver, until=NOW),))) == "ra_tls.tcb.status"


def test_what_is_asked_of_the_platform_must_hold(genuine: Verified) -> None:
    genuine(tcb_status="up-to-date", values={"fmspc": "00"})
    asked = Asked({"evaluation": 17}, {"fmspc": frozenset({"00"})}, ())
    assert judged(tdx=asked)
    assert step(tdx=replace(asked, tcb={"evaluation": 18})) == "ra_tls.tcb.minima"
    assert step(tdx=replace(asked, require={"fmspc": frozenset({"01"})})) == "ra_tls.platform.values"
    assert step(sev_snp=NOTHING) == "ra_tls.platform.listed"


def test_what_is_lacking_is_excused_only_where_it_is_waived(genuine: Verified) -> None:
    asked = genuine("sev-snp", lacks=frozenset({"crl"}))
    assert step() == "ra_tls.endorsements.complete"
    assert asked.pop().excused == frozenset()
    waiver = Waiver(None, frozenset(), "crl", NOW + timedelta(days=1))
    assert judged(sev_snp=replace(NOTHING, waivers=(waiver,)))
    assert asked.pop().excused == {"crl"}


def test_a_tpm_is_accepted_only_by_who_it_is_and_what_booted(genuine: Verified) -> None:
    values = {"name": "aa", **dict.fromkeys(BOOTED, "aa")}
    asked = genuine("tpm", values=values, lacks=frozenset({"authority"}))
    name = {"name": frozenset({"aa"})}
    assert judged(tpm=Asked({}, {**name, **BOOTED}, ()))
    assert asked.pop().excused == {"authority"}
    for require in ({}, name, BOOTED, {**name, "pcr0": frozenset({"aa"})}):
        assert step(tpm=Asked({}, require, ())) == "ra_tls.platform.values"
    genuine("tpm", values={**values, "name": "bb"}, lacks=frozenset({"authority"}))
    assert step(tpm=Asked({}, {**name, **BOOTED}, ())) == "ra_tls.platform.values"


def test_a_connection_judges_the_platform(genuine: Verified) -> None:
    genuine(tcb_status="out-of-date")
    waiver = Waiver("out-of-date", frozenset(), None, NOW + timedelta(days=1))
    peer = Peer(WANTED, Roots(), platforms={"tdx": NEW}, now=lambda: NOW)
    with pytest.raises(PeerRefusedError, match=r"ra_tls\.tcb\.status"):
        _verify(attested_context(peer), b"")
    _verify(attested_context(replace(peer, platforms={"tdx": replace(NEW, waivers=(waiver,))})), b"")
