"""Limits, at them and over them; tables that point where they should not; roots that are not the ones named."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from uuid import UUID

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    MAX_TABLE_BYTES,
    VCEK,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.attestation.revocation import MAX_LIST_BYTES, MAX_NUMBER
from casemate.errors import EndorsementError
from casemate.testing.amd.cases import Case, build
from casemate.testing.amd.certificates import RevokedEntry
from casemate.testing.amd.plan import right

ONE, TWO = UUID(int=1), UUID(int=2)
TABLE = build_certificate_table({ONE: b"first", TWO: b"second"})
HEAD = 72

POINTING_WRONG: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no entry of zeros": lambda: TABLE[:48],
    "half an entry": lambda: TABLE[:60],
    "past its end": lambda: TABLE[:-1],
    "far past its end": lambda: TABLE[:20] + struct.pack("<I", 2**32 - 1) + TABLE[24:],
    "into its head": lambda: TABLE[:16] + struct.pack("<I", HEAD - 1) + TABLE[20:],
    "at itself": lambda: TABLE[:16] + struct.pack("<I", 0) + TABLE[20:],
    "one certificate twice": lambda: TABLE[:24] + TABLE[:24] + TABLE[48:],
}


@pytest.mark.parametrize("name", POINTING_WRONG)
def test_a_table_that_points_wrong_is_refused(name: str) -> None:
    with pytest.raises(EndorsementError, match="the certificate table") as caught:
        parse_certificate_table(POINTING_WRONG[name]())
    assert caught.value.step == "evidence.certificates"


def test_a_table_of_the_greatest_size_is_read_and_one_byte_more_is_not(milan: Case) -> None:
    table = milan.endorsements.certificates
    assert milan.with_bytes(table=table.ljust(MAX_TABLE_BYTES, b"\0")).judge()
    with pytest.raises(EndorsementError, match="too large"):
        milan.with_bytes(table=table.ljust(MAX_TABLE_BYTES + 1, b"\0")).judge()


def _list_of(entries: int) -> Case:
    plan = right()
    revoked = tuple(RevokedEntry(0x7000_0000 + serial) for serial in range(entries))
    return build(replace(plan, lists=(replace(plan.lists[0], revoked=revoked),)))


def test_a_long_list_is_read_and_a_longer_one_is_not() -> None:
    """Both are really signed by the root."""
    long, longer = _list_of(2_800), _list_of(3_000)
    assert len(long.endorsements.crls[0]) <= MAX_LIST_BYTES < len(longer.endorsements.crls[0])
    assert long.judge()
    with pytest.raises(EndorsementError, match="too large"):
        longer.judge()


def test_the_greatest_number_of_a_list_is_believed() -> None:
    plan = right()
    claims = build(replace(plan, lists=(replace(plan.lists[0], number=MAX_NUMBER),))).judge()
    assert set(claims.seen.values()) == {MAX_NUMBER}


def shipped_root() -> bytes:
    folder = files("casemate.attestation.platforms.sev_snp").joinpath("roots")
    return folder.joinpath("ark-milan.pem").read_bytes()


@pytest.mark.parametrize(
    ("amd", "made_up_beside_it", "step"),
    [(True, False, "evidence.chain"), (True, True, "evidence.root"), (False, False, "evidence.root")],
)
def test_amds_roots_count_where_amd_is_trusted_and_no_other_root_is_named(
    milan: Case, amd: bool, made_up_beside_it: bool, step: str
) -> None:
    """AMD's own root in the place of the ASK: where it is believed, it is the next step that refuses."""
    entries = parse_certificate_table(milan.endorsements.certificates)
    certificates = {ASK: shipped_root(), VCEK: entries[VCEK], **({ARK: entries[ARK]} if made_up_beside_it else {})}
    changed = milan.with_bytes(table=build_certificate_table(certificates))
    with pytest.raises(EndorsementError) as caught:
        replace(changed, roots=Roots(amd=amd)).judge()
    assert caught.value.step == step
