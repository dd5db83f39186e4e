"""Every named piece of made-up evidence of a TPM, right and wrong, with what a verifier must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from casemate.attestation.expectations import Expected
from casemate.attestation.platforms.tpm.verify import BANK, RUNTIME_PCR, verify_quote
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceError
from casemate.testing.tpm.certificates import LIST_END, LIST_START, NUMBER, KeyCertificate, RevocationPlan
from casemate.testing.tpm.plan import EXIT, KEYS, MAKER, ROOT, Plan, below, fingerprint, machine, right, with_log
from casemate.testing.tpm.wrong import WRONG as _WRONG
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["RIGHT", "WRONG", "Case", "build", "case"]


@dataclass(frozen=True)
class Case:
    """Arguments of `verify_quote`, and what comes of them: `claims` that must be equal, or `error` at `step`."""

    name: str
    evidence: Evidence
    endorsements: Endorsements
    roots: tuple[bytes, ...]
    at: datetime
    expected: Expected
    claims: Mapping[str, Any] = field(default_factory=dict)
    error: type[EvidenceError] | None = None
    step: str | None = None

    def judge(self) -> VerifiedClaims:
        """What the verifier says of it."""
        return verify_quote(self.evidence, self.endorsements, self.roots, self.at, self.expected)

    def with_report(self, report: bytes) -> Case:
        return replace(self, evidence=Evidence(format="tpm-quote", report=report, log=self.evidence.log))


def build(plan: Plan, name: str = "right") -> Case:
    """The evidence of `plan`, which is taken to be right."""
    return Case(
        name=name,
        evidence=Evidence(format="tpm-quote", report=plan.report(), log=plan.log),
        endorsements=Endorsements(certificates=plan.pem(), crls=plan.crls()),
        roots=(plan.root.issue(),) if plan.trusted else (),
        at=plan.at,
        expected=plan.expected(),
        claims=_claims(plan),
    )


def _claims(plan: Plan) -> dict[str, Any]:
    lacks = ["authority"] if not plan.certificates else [] if len(plan.lists) > 1 else ["crl"]
    return {
        "platform": "tpm",
        "measurement": plan.quote.values.get(BANK, {}).get(RUNTIME_PCR, b"").hex(),
        "report_data": plan.quote.extra.hex(),
        "lacks": lacks,
        "seen": {fingerprint(one.issuer): one.number for one in plan.lists} if plan.certificates else {},
    }


def _with_another_bank(plan: Plan) -> Plan:
    quote = plan.quote
    for number in range(16):
        quote = quote.pcr(number, bytes([number]) * 48, bank="sha384")
    return replace(plan, quote=quote)


def _newest_counts(plan: Plan) -> Plan:
    older = RevocationPlan(MAKER, number=NUMBER - 1, revoked=("key",))
    return replace(plan, lists=(RevocationPlan(ROOT), older, RevocationPlan(MAKER)))


def _deep(plan: Plan) -> Plan:
    """As many authorities as there may be."""
    authorities = below(ROOT, 3)
    return replace(
        plan,
        certificates=(KeyCertificate(plan.quote.key.public_key(), authorities[-1]), *authorities),
        lists=tuple(RevocationPlan(one) for one in (ROOT, *authorities)),
    )


def _certified(plan: Plan) -> Plan:
    leaf = KeyCertificate(plan.quote.key.public_key(), MAKER, machine=machine())
    return replace(plan, certificates=(leaf, MAKER))


def _changed(**changes: Any) -> Callable[[], Plan]:
    return lambda: replace(right(), **changes)


_RIGHT: Final[Mapping[str, Callable[[], Plan]]] = {
    **{name: lambda name=name: right(name) for name in KEYS},  # type: ignore[misc]
    "with-a-log": lambda: with_log(right()),
    "with-a-log-closed-too-early": lambda: with_log(right(), EXIT),
    "sha384-beside": lambda: _with_another_bank(right()),
    "four-authorities": lambda: _deep(right()),
    "certified-for-a-machine": lambda: _certified(right()),
    "authority-excused": _changed(certificates=(), lists=(), excused=frozenset({"authority"})),
    "lists-excused": _changed(lists=(), excused=frozenset({"crl"})),
    "one-list-excused": _changed(lists=(RevocationPlan(ROOT),), excused=frozenset({"crl"})),
    "one-list-excused-of-another-than-was-seen": _changed(
        lists=(RevocationPlan(ROOT),), excused=frozenset({"crl"}), floors={fingerprint(ROOT): NUMBER}
    ),
    "excused-and-not-needed": _changed(excused=frozenset({"crl", "authority"})),
    "newest-list-counts": lambda: _newest_counts(right()),
    "others-revoked": _changed(lists=(RevocationPlan(ROOT, revoked=("stranger",)), RevocationPlan(MAKER))),
    "list-as-old-as-one-seen": _changed(floors={fingerprint(MAKER): NUMBER}),
    "first-second-of-the-lists": _changed(at=LIST_START),
    "last-second-of-the-lists": _changed(at=LIST_END),
}

RIGHT: Final = tuple(_RIGHT)
WRONG: Final = tuple(_WRONG)
"""Names of cases, for `case`."""


def case(name: str) -> Case:
    if name in _RIGHT:
        return build(_RIGHT[name](), name)
    wrong = _WRONG[name]
    made = build(wrong.change(wrong.base()), name)
    return replace(made, claims={}, error=wrong.error, step=wrong.step)
