"""Every named piece of made-up evidence, right and wrong, with what a verifier must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.sev_snp import key_extensions as oids
from casemate.attestation.platforms.sev_snp.products import MILAN, PRODUCTS
from casemate.attestation.verify import verify
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceError
from casemate.testing.amd.certificates import LIST_END, LIST_START, RevokedEntry
from casemate.testing.amd.plan import FLOOR, TCB, Plan, amd, certified, right
from casemate.testing.amd.wrong import Change, Wrong, fields, leaf, lists, only_list
from casemate.testing.amd.wrong_chains import WRONG_CHAINS
from casemate.testing.amd.wrong_lists import WRONG_LISTS, distribution_point
from casemate.testing.amd.wrong_reports import WRONG_REPORTS
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["RIGHT", "WRONG", "Case", "base_of", "build", "case"]

_CHIP: Final = bytes(range(1, 65))
_OTHER_ENTRY: Final = UUID(bytes=b"\x11" * 16)


@dataclass(frozen=True)
class Case:
    """Arguments of `verify`, and what comes of them: `claims` that must be equal, or `error` at `step`."""

    name: str
    evidence: Evidence
    endorsements: Endorsements
    roots: Roots
    at: datetime
    expected: Expected
    claims: Mapping[str, Any] | None = None
    error: type[EvidenceError] | None = None
    step: str | None = None

    def judge(self) -> VerifiedClaims:
        """What the verifier says of it."""
        return verify(self.evidence, self.endorsements, roots=self.roots, at=self.at, expected=self.expected)

    def with_bytes(
        self, *, report: bytes | None = None, table: bytes | None = None, lists: Sequence[bytes] | None = None
    ) -> Case:
        """The same case with other bytes."""
        old = self.endorsements
        return replace(
            self,
            evidence=self.evidence if report is None else Evidence(format="sev-snp-report", report=report),
            endorsements=Endorsements(
                certificates=old.certificates if table is None else table,
                crls=old.crls if lists is None else list(lists),
            ),
        )


def build(plan: Plan, name: str = "right") -> Case:
    """The evidence of `plan`, which is taken to be right."""
    ark = plan.ark.issue()
    report = plan.encoded(plan.report.make())
    return Case(
        name=name,
        evidence=Evidence(format="sev-snp-report", report=report),
        endorsements=Endorsements(certificates=plan.certificates(ark), crls=list(plan.revocation_lists())),
        roots=plan.roots(ark),
        at=plan.at,
        expected=plan.expected(ark),
        claims=_claims(plan),
    )


def _claims(plan: Plan) -> dict[str, Any]:
    launch, reported = (plan.product.unpack(plan.report.fields[f"{name}_tcb"]) for name in ("launch", "reported"))
    return {
        "platform": "simulated",
        "product": plan.product.name.lower(),
        "measurement": plan.report.fields["measurement"].hex(),
        "chip_id": plan.report.fields["chip_id"].hex(),
        "tcb": {name: min(version, launch[name]) for name, version in reported.items()},
        "vmpl": plan.report.fields["vmpl"],
        "crl_number": max((item.number or 0 for item in plan.lists), default=None),
    }


def _right(change: Change, base: Callable[[], Plan] = right) -> Callable[[], Plan]:
    return lambda: change(base())


def _plain(product: Any, vlek: bool, version: int) -> Callable[[], Plan]:
    return lambda: right(product, vlek=vlek, version=version)


def _pem(plan: Plan) -> Plan:
    def entries(made: dict[Any, bytes]) -> dict[Any, bytes]:
        loaded = {guid: x509.load_der_x509_certificate(der) for guid, der in made.items()}
        return {guid: certificate.public_bytes(Encoding.PEM) for guid, certificate in loaded.items()}

    return replace(plan, entries=entries)


_HWID_AS_OCTETS: Final = leaf(extensions=amd({**certified(MILAN, _CHIP), oids.HWID: b"\x04\x40" + _CHIP}))
_LAUNCHED_UNDER_OLDER: Final = fields(
    launch_tcb=MILAN.pack({**TCB, "snp": 20, "microcode": 255}), committed_tcb=MILAN.pack({**TCB, "snp": 20})
)

_VARIANTS: Final = {
    "certificates-as-pem": _right(_pem),
    "table-with-an-entry-more": _right(
        lambda plan: replace(plan, entries=lambda made: {**made, _OTHER_ENTRY: b"anything"})
    ),
    "table-with-a-tail": _right(lambda plan: replace(plan, table=lambda table: table + bytes(64))),
    "hwid-as-octet-string": _right(_HWID_AS_OCTETS),
    "launched-under-an-older-tcb": _right(_LAUNCHED_UNDER_OLDER),
    "newer-firmware-than-reported": _right(fields(current_tcb=MILAN.pack({**TCB, "snp": 25}))),
    "platform-info-of-turin-firmware": _right(fields(platform_info=0xFF)),
    "vmpl-3-where-it-may": _right(lambda plan: replace(fields(vmpl=3)(plan), max_vmpl=3)),
    "newest-list-counts": _right(lists(FLOOR - 1, FLOOR + 1, FLOOR)),
    "list-revokes-others": _right(
        only_list(revoked=(RevokedEntry(0x10002), RevokedEntry(0x10001, "ARK-Genoa"), RevokedEntry(5, "SEV-Genoa")))
    ),
    "list-with-distribution-point": _right(only_list(extensions=((distribution_point(indirect_crl=True), True),))),
    "first-second-of-the-list": _right(lambda plan: replace(plan, at=LIST_START)),
    "last-second-of-the-list": _right(lambda plan: replace(plan, at=LIST_END)),
}

_PLAIN: Final = {
    f"{product.name.lower()}-{'vlek' if vlek else 'vcek'}-v{version}": _plain(product, vlek, version)
    for product in PRODUCTS.values()
    for vlek in (False, True)
    for version in (2, 3, 5)
}

_RIGHT: Final = {**_PLAIN, **_VARIANTS}
_WRONG: Final[Mapping[str, Wrong]] = {**WRONG_REPORTS, **WRONG_CHAINS, **WRONG_LISTS}

RIGHT: Final = tuple(_RIGHT)
WRONG: Final = tuple(_WRONG)
"""Names of cases, for `case`."""


def case(name: str) -> Case:
    """Made anew, with keys of this process."""
    if name in _RIGHT:
        return build(_RIGHT[name](), name)
    wrong = _WRONG[name]
    made = build(wrong.change(wrong.base()), name)
    return replace(made, claims=None, error=wrong.error, step=wrong.step)


def base_of(name: str) -> Case:
    """What a wrong case was made of, with what surrounds it: right."""
    return build(_WRONG[name].base(), name)
