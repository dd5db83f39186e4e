"""What holds for the verifier as a whole: it is pure, remembers nothing that it should not, and has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import casemate
from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.sev_snp.chain import shipped_roots
from casemate.attestation.verify import verify
from casemate.errors import EndorsementError, EvidenceMalformedError
from casemate.testing.amd.cases import Case, case
from casemate.wire.evidence import Evidence

SOURCES = Path(casemate.__file__).parent

AMD_ROOTS = {
    "ARK-Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "ARK-Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "ARK-Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
}


def test_evidence_of_an_unknown_format_is_refused(milan: Case) -> None:
    unknown = Evidence.model_construct(format="unheard-of", report=milan.evidence.report)
    with pytest.raises(EvidenceMalformedError) as caught:
        verify(unknown, milan.endorsements, roots=milan.roots, at=milan.at, expected=milan.expected)
    assert (caught.value.step, caught.value.got) == ("evidence.format", "unheard-of")


def test_theshipped_roots_are_amds() -> None:
    roots = shipped_roots().values()
    assert {root.common_name: root.fingerprint.removeprefix("sha256:") for root in roots} == AMD_ROOTS


def test_a_made_up_root_is_never_amds(right: Case) -> None:
    """Names are AMD's, and yet: who pinned nothing believes nothing, and who pinned it hears `simulated`."""
    assert right.judge().platform == "simulated"
    with pytest.raises(EndorsementError) as caught:
        replace(right, roots=Roots(amd=True)).judge()
    assert caught.value.step == "evidence.root"


def test_a_remembered_chain_is_judged_again_by_time_floor_and_roots(right: Case) -> None:
    right.judge()
    refused = {
        "evidence.validity": replace(right, at=right.at + timedelta(days=365)),
        "evidence.crl_floor": _with_floor(right, 8),
        "evidence.root": replace(right, roots=Roots(amd=True, simulated=frozenset({"sha256:" + "0" * 64}))),
        "evidence.crl": right.with_bytes(lists=[]),
    }
    for step, changed in refused.items():
        with pytest.raises(EndorsementError) as caught:
            changed.judge()
        assert caught.value.step == step
    assert right.judge() == right.judge()


def test_the_floor_is_of_one_root(milan: Case) -> None:
    """Whoever owns a made-up root writes what numbers he likes: they move nobody else's floor."""
    other = case("genoa-vcek-v5")
    claims = _with_floor(milan, 5).judge()
    assert set(claims.seen) == milan.roots.simulated
    floors = dict.fromkeys(claims.seen, 2**52)
    assert replace(other, expected=replace(other.expected, floors=floors)).judge()


def _with_floor(given: Case, floor: int) -> Case:
    floors = dict.fromkeys(given.expected.floors, floor)
    return replace(given, expected=replace(given.expected, floors=floors))


def test_without_a_list_only_where_the_caller_judges_that(milan: Case) -> None:
    bare = milan.with_bytes(lists=[])
    reasoned = replace(bare, expected=replace(milan.expected, excused=frozenset({"crl"}), floors={}))
    claims = reasoned.judge()
    assert (claims.seen, claims.lacks) == ({}, {"crl"})
    assert milan.judge().lacks == frozenset()
    for other in (frozenset[str](), frozenset({"authority"})):
        with pytest.raises(EndorsementError, match="no revocation list"):
            replace(bare, expected=replace(milan.expected, excused=other)).judge()


def test_a_reason_does_not_excuse_a_list_of_a_root_of_which_one_was_seen(milan: Case) -> None:
    """Whoever is revoked would just send none."""
    bare = _with_floor(milan, 1).with_bytes(lists=[])
    withheld = replace(bare, expected=replace(bare.expected, excused=frozenset({"crl"})))
    with pytest.raises(EndorsementError, match="no revocation list") as caught:
        withheld.judge()
    assert (caught.value.step, caught.value.expected, caught.value.got) == ("evidence.crl_floor", "≥ 1", "none")
    other = dict.fromkeys(case("genoa-vcek-v5").expected.floors, 1)
    assert replace(withheld, expected=replace(withheld.expected, floors=other)).judge()


def test_a_reason_does_not_excuse_a_list_that_is_there() -> None:
    revoked = case("ask-revoked")
    excused = replace(revoked, expected=replace(revoked.expected, excused=frozenset({"crl"})))
    with pytest.raises(EndorsementError) as caught:
        excused.judge()
    assert caught.value.step == "evidence.revoked"


def test_nothing_in_the_product_goes_without_a_list_or_below_the_shield_but_whom_a_person_or_a_policy_tells() -> None:
    weak = {"excused", "max_vmpl"}
    shipped = (path for path in SOURCES.rglob("*.py") if "testing" not in path.parts)
    found = {str(path.relative_to(SOURCES)) for path in shipped for name in _keywords(path) if name in weak}
    people = {"attestation/ra_tls.py", "cli/evidence/verify.py", "client/peers.py"}
    assert found == people | {"client/workloads.py", "custodian/release.py"}
    assert (Expected(b"", b"").excused, Expected(b"", b"").max_vmpl) == (frozenset(), 0)


def _keywords(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg is not None:
            yield node.arg


IMPURE_MODULES = {"asyncio", "http", "httpx", "io", "os", "pathlib", "random", "secrets", "shutil", "socket"}
IMPURE_MODULES |= {"ssl", "subprocess", "tempfile", "threading", "time", "urllib"}
IMPURE_CALLS = {"now", "open", "read_bytes", "read_text", "today", "urlopen", "utcnow"}


def test_verification_has_no_files_no_clock_and_no_network() -> None:
    """But one thing: the shipped roots are read from the package."""
    found = set()
    for path in (SOURCES / "attestation").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= {(path.name, name) for name in _impure(node)}
    assert found == {("chain.py", "read_bytes")}


def _impure(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names if alias.name.partition(".")[0] in IMPURE_MODULES}
    if isinstance(node, ast.ImportFrom):
        return {str(node.module)} if str(node.module).partition(".")[0] in IMPURE_MODULES else set()
    if isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return {called} & IMPURE_CALLS
    return set()
