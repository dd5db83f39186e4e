"""Quotes of a made-up Intel: what is right verifies, what is wrong is refused for exactly its reason."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import socket
from dataclasses import replace
from datetime import timedelta

import dcap_qvl
import pytest
from dcap_qvl import verify_with_root_ca
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.attestation.platforms.intel import steps
from casemate.attestation.platforms.intel.chain import _verified
from casemate.attestation.platforms.intel.documents import MAX_DOCUMENT_BYTES, _opened
from casemate.attestation.platforms.intel.endorsed import _certificate, _endorsed, _is_signer, _lists
from casemate.attestation.platforms.intel.machine import Machine
from casemate.attestation.platforms.intel.quote import MAX_QUOTE_BYTES, Quote
from casemate.attestation.platforms.intel.reports import EnclaveReport
from casemate.attestation.platforms.intel.second_opinion import _collateral, _opinion
from casemate.attestation.platforms.intel.steps import understood, vouched
from casemate.attestation.platforms.intel.tcb import STATUSES as WORDS
from casemate.attestation.platforms.intel.tcb import judged
from casemate.attestation.platforms.intel.vouched import _vouched
from casemate.attestation.recorded import RecordedClaims
from casemate.attestation.verify import Roots, verify
from casemate.errors import EndorsementError, EvidenceError, EvidenceMalformedError, TooLargeError
from casemate.platforms import PLATFORMS, UP_TO_DATE
from casemate.testing.amd.der import sequence
from casemate.testing.intel.bodies import MachinePlan, pair
from casemate.testing.intel.cases import RIGHT, WRONG, case
from casemate.testing.intel.plan import AT, MANIFEST, REPORT_DATA, Plan, right
from casemate.testing.intel.wrong import body, machine, quoting
from casemate.testing.intel.wrong_endorsements import FLOORS
from casemate.wire.evidence import Endorsements, Evidence
from tests.unit.attestation.intel import judge, trusting


def named(names: dict[bool, tuple[str, ...]]) -> list[object]:
    return [pytest.param(name, tdx, id=f"{'tdx' if tdx else 'sgx'}-{name}") for tdx in names for name in names[tdx]]


@pytest.mark.parametrize(("name", "tdx"), named(RIGHT))
def test_what_is_right_gives_its_claims(name: str, tdx: bool) -> None:
    made = case(name, tdx=tdx)
    claims = judge(made.plan)
    assert (claims.tcb_status, claims.advisories) == (made.status, made.advisories)
    assert (claims.platform, claims.manifest, claims.report_data) == ("tdx" if tdx else "sgx", MANIFEST, REPORT_DATA)


@pytest.mark.parametrize(("name", "tdx"), named(WRONG))
def test_what_is_wrong_is_refused_for_its_reason(name: str, tdx: bool) -> None:
    made = case(name, tdx=tdx)
    with pytest.raises(EvidenceError) as caught:
        judge(made.plan)
    assert (type(caught.value), caught.value.step) == (made.error, made.step)


def costs_more(name: str, tdx: bool) -> bool:
    """Whether it is refused by what Intel says, or by a log."""
    step = str(case(name, tdx=tdx).step).removeprefix("evidence.")
    return step.startswith(("document", "crl", "tcb")) or step in ("platform", "revoked", "validity", "log")


@pytest.mark.parametrize(
    ("name", "tdx"), named({tdx: tuple(one for one in WRONG[tdx] if costs_more(one, tdx)) for tdx in WRONG})
)
def test_what_is_for_others_is_refused_before_what_costs_more(name: str, tdx: bool) -> None:
    plan = case(name, tdx=tdx).plan
    report_data, manifest = (520 if tdx else 320), (184 if tdx else 192)
    for offset, step in ((report_data, "report_data"), (manifest, "manifest")):
        with pytest.raises(EvidenceError) as caught:
            judge(body(offset, b"others")(plan))
        assert caught.value.step == f"evidence.{step}"


@pytest.mark.parametrize("tdx", [True, False])
def test_roots_that_are_not_asked_for_verify_nothing(tdx: bool) -> None:
    plan = right(tdx=tdx)
    with trusting(plan.root), pytest.raises(EndorsementError) as caught:
        verify(
            plan.evidence(), plan.endorsements(), roots=Roots(amd=True, aws=True), at=plan.at, expected=plan.expected()
        )
    assert caught.value.step == "evidence.root"


VERSIONS = [(False, 3), (False, 4), (False, 5), (True, 4), (True, 5)]


@pytest.mark.parametrize(("tdx", "version"), VERSIONS)
def test_a_quote_of_the_other_platform_is_refused(tdx: bool, version: int) -> None:
    other = right(tdx=tdx, version=version).evidence()
    evidence = Evidence.model_validate({"format": "sgx-quote" if tdx else "tdx-quote", "report": other.report})
    with pytest.raises(EvidenceMalformedError) as caught:
        judge(right(tdx=not tdx), evidence=evidence)
    assert caught.value.step == "evidence.quote"


@pytest.mark.parametrize(("tdx", "version"), VERSIONS)
def test_a_flipped_bit_of_each_byte_is_noticed(tdx: bool, version: int) -> None:
    plan = right(tdx=tdx, version=version)
    evidence, endorsements = plan.evidence(), plan.endorsements()
    with trusting(plan.root):
        for position in range(len(evidence.report)):
            changed = bytearray(evidence.report)
            changed[position] ^= 1 << position % 8
            flipped = evidence.model_copy(update={"report": bytes(changed)})
            with pytest.raises((EvidenceError, TooLargeError)):
                verify(flipped, endorsements, roots=Roots(intel=True), at=plan.at, expected=plan.expected())


@pytest.mark.parametrize("length", [0, 1, 47, 48, 200, 631, 635, 636, 700, 1300, 4000])
def test_a_quote_that_was_cut_says_where(length: int) -> None:
    with pytest.raises(EvidenceMalformedError, match="ends in its"):
        Quote.parse(right(tdx=True).evidence().report[:length])


def test_limits() -> None:
    plan = right(tdx=True)
    quote = plan.evidence().report
    assert Quote.parse(quote.ljust(MAX_QUOTE_BYTES, b"\0")).padding == MAX_QUOTE_BYTES - len(quote)
    with pytest.raises(TooLargeError):
        Quote.parse(quote.ljust(MAX_QUOTE_BYTES + 1, b"\0"))
    info, identity = plan.endorsements().documents
    longest = info.ljust(MAX_DOCUMENT_BYTES)
    for document, step in ((longest, None), (longest + b" ", "evidence.documents")):
        sent = plan.endorsements().model_copy(update={"documents": [document, identity]})
        assert refused(plan, sent) == step


def refused(plan: Plan, endorsements: Endorsements) -> str | None:
    try:
        judge(plan, endorsements=endorsements)
    except EvidenceError as error:
        return error.step
    return None


def test_what_the_other_implementation_says_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = right(tdx=False)
    for change in ({"status": "sw-hardening-needed"}, {"advisories": ("INTEL-SA-00001",)}):
        monkeypatch.setattr(steps, "judged", lambda *given, made=change: replace(judged(*given), **made))
        assert refused(plan, plan.endorsements()) == "evidence.second_opinion"


@pytest.mark.parametrize("version", [4, 5])
def test_sgx_of_later_versions_is_judged_by_us_alone_and_says_so(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, plan = right(tdx=False), right(tdx=False, version=version)
    twice, alone = judge(first), judge(plan)
    assert (twice.values["opinions"], alone.values["opinions"]) == ("2", "1")
    assert (twice.details["second_opinion"], alone.details["quote_version"]) == ("the same", version)
    assert "version 3 only" in str(alone.details["second_opinion"])
    same = ("tcb", "tcb_status", "advisories", "runtime_measurement", "hardware", "seen", "chosen", "ends", "manifest")
    assert [getattr(alone, name) for name in same] == [getattr(twice, name) for name in same]
    monkeypatch.setattr(steps, "judged", lambda *given: replace(judged(*given), status="sw-hardening-needed"))
    assert judge(plan).tcb_status == "sw-hardening-needed"
    assert refused(first, first.endorsements()) == "evidence.second_opinion"


@pytest.mark.parametrize("version", [4, 5])
def test_the_other_implementation_refuses_what_it_is_not_asked(version: int) -> None:
    """Once it judges SGX in later versions, it is to be asked (`second_opinion._ALONE`)."""
    first, plan = right(tdx=False), right(tdx=False, version=version)
    with trusting(plan.root):
        quoted = vouched(*understood(plan.evidence().report, EnclaveReport), Roots(intel=True))
        known = quoted.endorsed(plan.endorsements(), plan.at, {})
    seconds = int(plan.at.timestamp())
    assert verify_with_root_ca(first.evidence().report, _collateral(known), plan.root, seconds).status == "UpToDate"
    with pytest.raises(ValueError, match="SGX TEE quote must have version 3"):
        verify_with_root_ca(quoted.quote.whole, _collateral(known), plan.root, seconds)


def test_which_version_a_quote_has_is_signed() -> None:
    """Else whoever carries a quote of version 3 could have it judged once only."""
    for name in ("another-version-was-signed", "version-4-another-version-was-signed"):
        plan = case(name, tdx=False).plan
        assert Quote.parse(plan.evidence().report).version == plan.quote.version
        assert refused(plan, plan.endorsements()) == "evidence.signature"


def test_the_other_implementation_is_asked_again_once_anything_but_the_workload_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []
    first = right(tdx=True)

    def answered(quote: bytes, collateral: object, root: bytes, seconds: int) -> object:
        asked.append(quote)
        return verify_with_root_ca(quote, collateral, root, seconds)

    monkeypatch.setattr(dcap_qvl, "verify_with_root_ca", answered)
    _opinion.cache_clear()
    same = [
        first,
        right(tdx=True, body={"mr_td": b"x" * 48, "rtmr2": b"y" * 48}),
        replace(first, at=AT + timedelta(seconds=1)),
    ]
    for plan in same:
        judge(plan)
    assert len(asked) == 1
    others = [
        *(body(offset, content)(first) for offset, content in OTHER_CIRCUMSTANCES.items()),
        quoting(svn=9)(first),
        quoting(cpu_svn=bytes(16))(first),
        machine(ppid=b"P" * 16)(first),
        replace(first, info={**first.info, "tcbEvaluationDataNumber": 21}),
        replace(first, lists=(replace(first.lists[0], number=2), first.lists[1])),
    ]
    for plan in others:
        judge(plan)
    assert len(asked) == 1 + len(others)


def test_what_is_spelled_otherwise_is_not_verified_anew() -> None:
    """Where lines end, white space around documents and the order of certificates and lists anybody may choose."""
    plan = right(tdx=True)
    judge(plan)
    before = [one.cache_info().misses for one in REMEMBERED]
    for spelled in (
        replace(plan, order=lambda text: text.replace(b"\n", b"\r\n")),
        replace(plan, order=lambda text: text.replace(b"-\nM", b"-\nM\n")),
        replace(
            plan, documents_sent=lambda sent: [b" " + one.replace(b'"signature":', b'"signature" : ') for one in sent]
        ),
        replace(plan, documents_sent=lambda sent: [*sent[::-1], sent[0]]),
        replace(plan, lists_sent=lambda lists: [*lists[::-1], lists[0]]),
        replace(plan, offered=lambda ders: [*ders[::-1], ders[0]]),
    ):
        assert judge(spelled).tcb_status == "up-to-date"
        assert [one.cache_info().misses for one in REMEMBERED] == before


REMEMBERED = (_verified, _vouched, _is_signer, _certificate, _opened, _lists, _endorsed, _opinion)


def test_another_certificate_beside_the_signers_changes_nothing_that_is_remembered() -> None:
    plan = right(tdx=True)
    judge(plan)
    kept = (_opened, _lists, _endorsed, _opinion)
    before = [one.cache_info().misses for one in kept]
    stranger = plan.chain[2].issue()
    assert judge(replace(plan, offered=lambda ders: [stranger, *ders])).tcb_status == "up-to-date"
    assert [one.cache_info().misses for one in kept] == before


def test_certificates_in_a_quote_are_not_longer_than_three() -> None:
    def longer(text: bytes) -> bytes:
        return text.replace(b"-\nM", b"-\nM" + b"\n" * 2000)

    plan = replace(right(tdx=True), order=longer)
    assert refused(plan, plan.endorsements()) == "evidence.pck"


OTHER_CIRCUMSTANCES = {0: b"\x06", 15: b"\x08", 16: b"x", 123: b"\x50", 128: b"\x07"}
"""Of a TD report: versions of the module and of what is below it, MRSEAM, attributes, XFAM."""


def test_the_other_implementation_opens_no_socket() -> None:
    """Nor a file: no descriptor is left for it."""
    plan = right(tdx=True)
    judge(plan)  # what is loaded once, is loaded
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _opinion.cache_clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            socket.socket()
        assert judge(replace(plan, at=plan.at + timedelta(seconds=1))).tcb_status == "up-to-date"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("tdx", "version"), VERSIONS)
def test_claims_hold_what_policies_of_the_platform_may_ask_for(tdx: bool, version: int) -> None:
    claims = judge(right(tdx=tdx, version=version))
    known = PLATFORMS["tdx" if tdx else "sgx"]
    # Whoever launches chooses the others: no policy asks for them.
    assert set(claims.values) == known.values | ({"mrowner", "mrownerconfig"} if tdx else set())
    assert set(claims.tcb) == known.tcb | (set() if tdx else {"config"})
    assert claims.runtime_measurement.startswith(f"{known.algorithm}:")
    assert set(WORDS.values()) == known.statuses | {UP_TO_DATE}
    assert {*claims.seen, *claims.chosen} == set(FLOORS[tdx])
    assert all(name.startswith("crl:") for name in claims.seen)
    assert RecordedClaims.of(claims).restore().values == claims.values


@pytest.mark.parametrize(
    ("other", "memory", "smt"),
    [
        ({}, "scalable", "on"),
        ({5: b"\x0a\x01\x00", 7: None}, "standard", None),
        ({5: b"\x0a\x01\x02", 7: sequence([pair(b"\x07\x03", b"\x01\x01\x00")])}, "scalable-with-integrity", "off"),
        ({7: sequence([])}, "scalable", None),
    ],
)
def test_what_is_certified_of_memory_and_threads(other: dict[int, bytes | None], memory: str, smt: str | None) -> None:
    values = judge(machine(other=other)(right(tdx=False))).values
    assert (values["memory"], values.get("smt")) == (memory, smt)


def test_measurements_of_what_ran_before_the_shield_are_the_runtime() -> None:
    plain = judge(right(tdx=True)).runtime_measurement
    for name in ("mr_td", "rtmr0", "rtmr1", "rtmr2"):
        assert judge(right(tdx=True, body={name: b"x" * 48})).runtime_measurement != plain
    other = judge(right(tdx=True, body={"rtmr3": b"x" * 48}))
    assert (other.runtime_measurement, other.values["rtmr3"]) == (plain, b"x".hex() * 48)
    measured = b"casemate/tdx-runtime/v1" + b"T" * 48 + b"0" * 48 + b"1" * 48 + b"2" * 48
    assert plain == f"sha384:{hashlib.sha384(measured).hexdigest()}"


def test_the_lower_version_of_the_module_counts() -> None:
    """Of the major version first: 3.0 is above 1.5, however the minor versions compare."""
    for minor, major, lower in ((6, 1, 0x105), (4, 1, 0x104), (4, 3, 0x105)):
        fields = {"current": bytes((minor, major)) + b"\x07" * 14}
        assert judge(right(tdx=True, version=5, newer=True, body=fields)).tcb["module"] == lower


def test_the_lower_evaluation_number_counts() -> None:
    plan = right(tdx=True)
    assert judge(replace(plan, identity={**plan.identity, "tcbEvaluationDataNumber": 19})).tcb["evaluation"] == 19
    assert judge(replace(plan, info={**plan.info, "tcbEvaluationDataNumber": 18})).tcb["evaluation"] == 18


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=1500), tdx=st.booleans())
def test_any_bytes_are_no_quote(data: bytes, tdx: bool) -> None:
    header = right(tdx=tdx).evidence().report[:48]
    for candidate in (data, header + data):
        with pytest.raises(EvidenceError):
            Quote.parse(candidate)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), place=st.sampled_from(["certificates", "crls", "documents"]))
def test_any_bytes_are_no_endorsements(data: bytes, place: str) -> None:
    plan = right(tdx=True)
    sent = plan.endorsements().model_copy(update={place: data if place == "certificates" else [data]})
    assert refused(plan, sent) is not None


@settings(max_examples=200, deadline=None)
@given(extension=st.binary(max_size=200), arc=st.integers(1, 8), part=st.binary(max_size=20))
def test_any_bytes_say_of_no_machine_or_are_refused(extension: bytes, arc: int, part: bytes) -> None:
    for der in (extension, MachinePlan(other={arc: part}).der()):
        with contextlib.suppress(EndorsementError):
            Machine.parse(der)
