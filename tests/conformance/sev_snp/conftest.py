"""Real evidence from public repositories, which is not part of this one: read in place, or the tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from casemate.attestation.platforms.sev_snp.report import Report
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    VCEK,
    VLEK,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.wire.evidence import Endorsements, Evidence

_PEM: Final = b"-----BEGIN CERTIFICATE-----"
_ROLES: Final = {"ark": ARK, "ask": ASK, "vcek": VCEK, "vlek": VLEK}


@dataclass(frozen=True)
class Real:
    """Evidence of a real machine, with a time at which its certificates hold. Lists did not come with it."""

    report: bytes
    certificates: Mapping[str, bytes]
    at: datetime
    max_vmpl: int = 0
    excused: frozenset[str] = frozenset({"crl"})

    def judge(self) -> VerifiedClaims:
        report = Report.parse(self.report)
        table = build_certificate_table({_ROLES[role]: data for role, data in self.certificates.items()})
        return verify(
            Evidence(format="sev-snp-report", report=self.report),
            Endorsements(certificates=table, crls=[]),
            roots=Roots(amd=True),
            at=self.at,
            expected=Expected(
                report_data=report.report_data,
                manifest=report.host_data,
                max_vmpl=self.max_vmpl,
                excused=self.excused,
            ),
        )

    def flipped(self, position: int, bits: int) -> Real:
        """One byte of the report changed."""
        report = bytearray(self.report)
        report[position] ^= bits
        return replace(self, report=bytes(report))

    def with_certificates(self, **changed: bytes) -> Real:
        return replace(self, certificates={**self.certificates, **changed})


class Folder:
    """The folder of vectors; `MANIFEST.json` there says where each file is from."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        return (self._path / "sev-snp" / name).read_bytes()

    def authorities(self, name: str, *roles: str) -> dict[str, bytes]:
        """Certificates of one PEM file, in the order in which they lie there."""
        parts = [_PEM + part for part in self.read(name).split(_PEM)[1:]]
        return dict(zip(roles, parts, strict=True))

    def line(self, product: str, *, vlek: bool = False) -> dict[str, bytes]:
        """ARK and ASK, or ASVK, of a product line."""
        found = self.authorities(f"trustee/{product}_ask_ark_asvk.pem", "ask", "ark", "asvk")
        return {"ark": found["ark"], "ask": found["asvk" if vlek else "ask"]}

    def evidence(self, name: str) -> Real:
        return _EVIDENCE[name](self)


def _milan(report: bytes, vcek: bytes, folder: Folder, at: datetime) -> Real:
    return Real(report, {**folder.line("milan"), "vcek": vcek}, at)


def _genoa(folder: Folder) -> Real:
    entries = parse_certificate_table(folder.read("derived/veraison-genoa-v3.certtable.bin"))
    certificates = {role: entries[guid] for role, guid in _ROLES.items() if guid in entries}
    return Real(folder.read("derived/veraison-genoa-v3.report.bin"), certificates, datetime(2025, 6, 1, tzinfo=UTC))


def _vlek(folder: Folder) -> Real:
    certificates = {**folder.line("milan", vlek=True), "vlek": folder.read("trustee/test-vlek.der")}
    report = folder.read("trustee/test-vlek-report.bin")
    return Real(report, certificates, datetime(2025, 6, 1, tzinfo=UTC), max_vmpl=1)


_EVIDENCE: Final = {
    "milan-v2": lambda folder: _milan(
        bytes.fromhex(folder.read("sev/report_milan.hex").decode()),
        folder.read("sev/vcek_milan.der"),
        folder,
        datetime(2024, 1, 1, tzinfo=UTC),
    ),
    "milan-v2-trustee": lambda folder: _milan(
        folder.read("trustee/test-report.bin"),
        folder.read("trustee/test-vcek.der"),
        folder,
        datetime(2024, 1, 1, tzinfo=UTC),
    ),
    "milan-v2-debug": lambda folder: _milan(
        folder.read("go-sev-guest/attestation.bin"),
        folder.read("go-sev-guest/vcek.testcer"),
        folder,
        datetime(2024, 1, 1, tzinfo=UTC),
    ),
    "milan-v3": lambda folder: Real(
        folder.read("derived/dstack-milan-v3.report.bin"),
        {"ask": folder.read("dstack/sev_snp_ask.pem"), "vcek": folder.read("dstack/sev_snp_vcek.pem")},
        datetime(2026, 7, 1, tzinfo=UTC),
    ),
    "milan-v3-vlek": _vlek,
    "genoa-v3": _genoa,
}


@pytest.fixture(scope="session")
def vectors() -> Folder:
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "vectors"
    path = Path(os.environ.get("CASEMATE_VECTORS", beside))
    if not (path / "sev-snp").is_dir():
        pytest.skip("no folder with real evidence: name it in CASEMATE_VECTORS")
    return Folder(path)
