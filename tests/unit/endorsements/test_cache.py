"""The cache: the newer counts, nothing of it is believed, and a host may put anything in its place."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import pem_blocks
from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.sev_snp.table import ARK, VCEK, build_certificate_table, parse_certificate_table
from casemate.attestation.platforms.sev_snp.wanted import wanted
from casemate.attestation.verify import verify
from casemate.endorsements.bundle import exported, imported
from casemate.endorsements.cache import Cache, Kept, check_name
from casemate.endorsements.facts import MAX_ENTRY_BYTES, facts_of
from casemate.errors import CasemateError, EndorsementError, InputError
from casemate.testing.amd.cases import Case, build
from casemate.testing.amd.certificates import LIST_START, RevokedEntry
from casemate.testing.amd.plan import right
from casemate.testing.amd.wrong import only_list
from casemate.testing.intel.plan import right as planned
from casemate.testing.vendors import amd_publishes
from casemate.wire.evidence import MAX_CRLS, NO_ENDORSEMENTS, Endorsements

LIST = "amd/milan/crl.der"


def numbered(number: int, **changes: Any) -> bytes:
    """The revocation list of the root with that number."""
    return build(only_list(number=number, **changes)(right())).endorsements.crls[0]


def filled(cache: Cache, chip: Case) -> Cache:
    found = wanted(chip.evidence.report, chip.endorsements)
    answers = amd_publishes(found, chip.endorsements)
    for one in found:
        cache.put(one.name, answers[one.path].body)
    return cache


def judged(chip: Case, endorsements: Endorsements) -> str:
    claims = verify(chip.evidence, endorsements, roots=Roots(amd=True), at=chip.at, expected=chip.expected)
    return claims.platform


def test_the_newer_takes_the_place_of_the_older_and_never_the_other_way_round(cache: Cache) -> None:
    old, new = numbered(8), numbered(9)
    assert [cache.put(LIST, data) for data in (old, new, new, old)] == [Kept.NEW, Kept.NEWER, Kept.SAME, Kept.OLDER]
    assert cache.get(LIST) == new
    assert list(cache.names()) == [LIST]
    facts = cache.facts(LIST)
    assert facts is not None
    assert facts.what == "revocation list 9 of ARK-Milan"


def test_evidence_that_came_with_nothing_is_completed(cache: Cache, chip: Case) -> None:
    with pytest.raises(EndorsementError):
        judged(chip, NO_ENDORSEMENTS)
    assert cache.completed(chip.evidence, NO_ENDORSEMENTS) == NO_ENDORSEMENTS
    assert judged(chip, filled(cache, chip).completed(chip.evidence, NO_ENDORSEMENTS)) == "sev-snp"


def test_evidence_that_came_without_a_list_gets_it_and_keeps_its_own_certificate(cache: Cache, chip: Case) -> None:
    filled(cache, chip)
    again = build(replace(right(), leaf=replace(right().leaf, serial=6))).endorsements
    (path,) = (cache.folder / "amd" / "milan" / "vcek").rglob("*.der")
    path.write_bytes(parse_certificate_table(again.certificates)[VCEK])
    leaf = parse_certificate_table(chip.endorsements.certificates)[VCEK]
    came = Endorsements(certificates=build_certificate_table({VCEK: leaf}), crls=[])
    completed = cache.completed(chip.evidence, came)
    assert parse_certificate_table(completed.certificates)[VCEK] == leaf
    assert judged(chip, completed) == "sev-snp"


def test_a_newer_list_of_the_cache_counts_against_an_older_one_that_came(cache: Cache, chip: Case) -> None:
    """Whoever keeps yesterday's list cannot hide today's revocation from a custodian that was told of it."""
    revoked = build(only_list(number=99, revoked=_the_intermediate())(right())).endorsements.crls[0]
    assert judged(chip, chip.endorsements) == "sev-snp"
    cache.put(LIST, revoked)
    with pytest.raises(EndorsementError) as caught:
        judged(chip, cache.completed(chip.evidence, chip.endorsements))
    assert caught.value.step == "evidence.revoked"


def _the_intermediate() -> Any:
    return (RevokedEntry(serial=0x10001),)


def test_evidence_under_a_root_of_somebody_else_is_left_as_it_came(cache: Cache, chip: Case) -> None:
    """A list of AMD's beside simulated evidence would make that fail."""
    filled(cache, chip)
    table = parse_certificate_table(chip.endorsements.certificates)
    other = build(right(), "other").endorsements.certificates
    root = bytearray(parse_certificate_table(other)[ARK])
    root[-1] ^= 1
    came = replace_table(chip.endorsements, {**table, ARK: bytes(root)})
    assert cache.completed(chip.evidence, came) == came


def replace_table(endorsements: Endorsements, table: dict[Any, bytes]) -> Endorsements:
    return endorsements.model_copy(update={"certificates": build_certificate_table(table)})


def test_what_is_no_evidence_is_left_to_the_verifier(cache: Cache, chip: Case) -> None:
    filled(cache, chip)
    broken = replace(chip, evidence=chip.evidence.model_copy(update={"report": b"\0" * 1184}))
    assert cache.completed(broken.evidence, NO_ENDORSEMENTS) == NO_ENDORSEMENTS


@pytest.mark.parametrize("place", ["link", "pipe", "folder", "noise", "large"])
def test_whatever_lies_in_a_files_place_is_passed_by(cache: Cache, chip: Case, tmp_path: Path, place: str) -> None:
    filled(cache, chip)
    path = cache.folder / LIST
    good = path.read_bytes()
    path.unlink()
    if place == "link":
        (tmp_path / "elsewhere").write_bytes(good)
        path.symlink_to(tmp_path / "elsewhere")
    elif place == "pipe":
        os.mkfifo(path)
    elif place == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"noise" if place == "noise" else good + bytes(MAX_ENTRY_BYTES))
    completed = cache.completed(chip.evidence, NO_ENDORSEMENTS)
    assert completed.crls == []
    assert cache.facts(LIST) is None
    with pytest.raises(EndorsementError):
        judged(chip, completed)


def test_a_folder_in_a_files_place_holds_no_descriptor(cache: Cache) -> None:
    (cache.folder / LIST).mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    assert [cache.get(LIST) for _ in range(20)] == [None] * 20
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_in_a_files_place_into_which_nobody_wrote_yet_is_passed_by(cache: Cache) -> None:
    (cache.folder / LIST).parent.mkdir(parents=True)
    os.mkfifo(cache.folder / LIST)
    writer = os.open(cache.folder / LIST, os.O_RDWR)
    try:
        assert cache.get(LIST) is None
        assert cache.facts(LIST) is None
    finally:
        os.close(writer)


def test_entries_of_a_table_that_nobody_reads_do_not_become_many_bytes(cache: Cache, chip: Case) -> None:
    """All of them name the same bytes: of 64 KB were made 44 MB once, in half a minute."""
    filled(cache, chip)
    certificates = parse_certificate_table(chip.endorsements.certificates)
    entries, shared = 1200, 28_000
    start = 24 * (entries + len(certificates) + 1)
    named = {UUID(int=number + 1): (start, shared) for number in range(entries)}
    behind = b"x" * shared
    for place, data in certificates.items():
        named[place] = (start + len(behind), len(data))
        behind += data
    head = b"".join(struct.pack("<16sII", place.bytes, *where) for place, where in named.items())
    came = chip.endorsements.model_copy(update={"certificates": head + bytes(24) + behind})
    assert judged(chip, came) == "sev-snp"
    completed = cache.completed(chip.evidence, came)
    assert parse_certificate_table(completed.certificates) == certificates
    assert judged(chip, completed) == "sev-snp"


def test_a_bundle_brings_everything_to_another_cache_and_nothing_that_is_older(
    cache: Cache, chip: Case, tmp_path: Path
) -> None:
    data = exported(filled(cache, chip))
    assert data == exported(cache)
    other = Cache(tmp_path / "other")
    other.put(LIST, numbered(90))
    became = imported(other, data)
    assert became[LIST] is Kept.OLDER
    assert set(became) == set(cache.names())
    assert sorted(became.values(), key=str) == sorted([Kept.NEW, Kept.NEW, Kept.OLDER], key=str)
    assert judged(chip, other.completed(chip.evidence, NO_ENDORSEMENTS)) == "sev-snp"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b'{"casemate_endorsements":2,"entries":{}}', b'{"casemate_endorsements":1,"entries":{"../x":"AA"}}',
        b'{"casemate_endorsements":1,"entries":{"amd/../../x.der":"AA"}}',
        b'{"casemate_endorsements":1,"entries":{"amd/milan/crl.der":"AA"}}',
        b'{"casemate_endorsements":1,"entries":{"amd/milan/crl.der":"!"}}',
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused_and_leaves_nothing(cache: Cache, data: bytes) -> None:
    with pytest.raises((InputError, EndorsementError)):
        imported(cache, data)
    assert not cache.folder.exists() or not list(cache.folder.rglob("*.*"))


@pytest.mark.parametrize(
    "name", ["", "amd", "amd/x", "/amd/x.der", "amd//x.der", "amd/./x.der", "ibm/x.der", "amd/X.der", "amd/x.der\n"]
)
def test_what_is_no_name_is_refused(cache: Cache, name: str) -> None:
    with pytest.raises(EndorsementError):
        check_name(name)
    with pytest.raises(EndorsementError):
        cache.put(name, b"")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("amd/milan/crl.der", b""), ("amd/milan/vcek-chain.pem", b"-----BEGIN CERTIFICATE-----"),
        ("intel/tdx-identity.json", b"{}"), ("intel/tdx-identity.json", b"[1]"), ("intel/tdx-identity.json", b"\xff"),
        ("intel/tdx-identity.json", b'{"tcbInfo":{"id":"TDX"}}'),
        ("amd/milan/crl.der", bytes(MAX_ENTRY_BYTES + 1)),
    ],
)  # fmt: skip
def test_what_is_no_endorsement_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(CasemateError):
        facts_of(name, data)


def hiding(came: Endorsements) -> dict[str, Endorsements]:
    """What a host sends so that a list of the cache is not looked at."""
    table = parse_certificate_table(came.certificates)
    pem = x509.load_der_x509_certificate(table[ARK]).public_bytes(Encoding.PEM)
    junk = {**table, UUID(int=7): b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"}
    return {
        "more lists than are looked at": came.model_copy(update={"crls": came.crls * MAX_CRLS}),
        "the root in another spelling": replace_table(came, {**table, ARK: pem}),
        "an entry that nobody reads": replace_table(came, junk),
    }


@pytest.mark.parametrize("way", ["more lists than are looked at", "the root in another spelling",
                                 "an entry that nobody reads"])  # fmt: skip
def test_nothing_that_came_hides_what_the_cache_has(cache: Cache, chip: Case, way: str) -> None:
    came = hiding(chip.endorsements)[way]
    assert judged(chip, came) == "sev-snp"
    cache.put(LIST, build(only_list(number=99, revoked=_the_intermediate())(right())).endorsements.crls[0])
    with pytest.raises(EndorsementError) as caught:
        judged(chip, cache.completed(chip.evidence, came))
    assert caught.value.step == "evidence.revoked"


def test_of_lists_with_one_number_the_later_is_the_newer(cache: Cache) -> None:
    """As Intel's are: all of them have the number 1."""
    first = build(only_list(number=1)(right())).endorsements.crls[0]
    later = build(only_list(number=1, start=LIST_START + timedelta(days=1))(right())).endorsements.crls[0]
    assert [cache.put(LIST, data) for data in (first, later, first)] == [Kept.NEW, Kept.NEWER, Kept.OLDER]


def test_what_was_made_up_gives_way_to_what_the_vendor_says_anew(cache: Cache) -> None:
    """Ranks are not proved: who put a number too high into the cache does not keep the vendor out for ever."""
    assert [cache.put(LIST, numbered(2**40)), cache.put(LIST, numbered(9))] == [Kept.NEW, Kept.OLDER]
    assert cache.put(LIST, numbered(9), anew=True) is Kept.REPLACED
    assert cache.get(LIST) == numbered(9)


def test_beginnings_without_ends_cost_no_more_than_their_length() -> None:
    """Each was once searched to the end of all of them: a hundred KB took seconds."""
    whole = b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"
    assert pem_blocks(whole + b"-----BEGIN CERTIFICATE-----" * 400_000, b"CERTIFICATE") == [whole]
    assert pem_blocks(b"-----BEGIN X-----" * 400_000, b"CERTIFICATE") == []
    assert pem_blocks(b"-----BEGIN A-----x-----END A-----" + whole, b"CERTIFICATE") == [whole]


def test_certificates_that_came_are_not_searched(cache: Cache, chip: Case) -> None:
    filled(cache, chip)
    came = Endorsements(certificates=b"-----BEGIN CERTIFICATE-----" * 400_000, crls=[])
    assert cache.completed(chip.evidence, came) == came


def test_a_quote_without_certificates_is_left_to_the_verifier(cache: Cache) -> None:
    plan = planned(tdx=True)
    bare = replace(plan, order=lambda _: b"")
    assert cache.completed(bare.evidence(), NO_ENDORSEMENTS) == NO_ENDORSEMENTS
