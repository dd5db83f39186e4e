"""Another implementation judges the same bytes: dcap-qvl (docs/adr/0011-dcap-qvl.md). Both must say the same.

It comes last, so it sees nothing that Intel did not sign; it gets everything that it needs, and never fetches. Its
opinion is remembered, as what it takes most of its time for changes seldom: documents, lists, machine, quoting enclave,
and under what the domain runs. The next quote of the same differs in what runs there, and in its signature, which we
verify.

It judges SGX quotes in version 3 only. Others get no second opinion, and their claims say so: which version a quote has
is among what its quoting enclave signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel.endorsed import Endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reports import EnclaveReport
from casemate.attestation.platforms.intel.tcb import STATUSES, Verdict
from casemate.errors import EvidenceRejectedError

if TYPE_CHECKING:
    from dcap_qvl import QuoteCollateralV3

__all__ = ["check_agreement", "is_judged_twice"]

_REMEMBERED: Final = 1024
_ALONE: Final = frozenset({4, 5})
"""Versions of SGX quotes of which dcap-qvl 0.7 says "SGX TEE quote must have version 3", and nothing else."""
_WORDS: Final = {
    **STATUSES,
    # What was launched under a module that is out of date, on one that is not any more.
    "TDRelaunchAdvised": STATUSES["OutOfDate"],
    "TDRelaunchAdvisedConfigurationNeeded": STATUSES["OutOfDateConfigurationNeeded"],
}


@dataclass(frozen=True)
class _Question:
    """`asked` is all that the answer rests on, besides the signature of the one quote that it is asked with first."""

    endorsed: Endorsed
    root: bytes
    asked: tuple[object, ...]
    quote: bytes = field(compare=False, repr=False)
    seconds: int = field(compare=False)

    @classmethod
    def about(cls, quote: Quote, endorsed: Endorsed, root: bytes, at: datetime) -> _Question:
        attested = quote.attested
        enclave = (attested.point, attested.qe_report, attested.qe_signature, attested.authentication)
        asked = (quote.version, quote.body.circumstances, enclave)
        return cls(endorsed, root, asked, quote.whole, int(at.timestamp()))


def is_judged_twice(quote: Quote) -> bool:
    """Whether the other implementation judges such quotes; what it was never tried with, it is asked."""
    return not isinstance(quote.body, EnclaveReport) or quote.version not in _ALONE


def check_agreement(quote: Quote, endorsed: Endorsed, verdict: Verdict, root: bytes, at: datetime) -> None:
    """Of a quote that is judged twice. Errors: EvidenceRejectedError."""
    if not is_judged_twice(quote):
        return
    status, advisories = _opinion(_Question.about(quote, endorsed, root, at))
    if (_WORDS.get(status), advisories) != (verdict.status, frozenset(verdict.advisories)):
        raise _disagrees(
            f"{verdict.status} ({', '.join(verdict.advisories)})", f"{status} ({', '.join(sorted(advisories))})"
        )


@lru_cache(maxsize=_REMEMBERED)
def _opinion(question: _Question) -> tuple[str, frozenset[str]]:
    # Not above: it takes 70 ms, for which commands that verify nothing of Intel's would wait.
    from dcap_qvl import verify_with_root_ca

    collateral = _collateral(question.endorsed)
    try:
        found = verify_with_root_ca(question.quote, collateral, question.root, question.seconds)
    except ValueError as error:
        raise _disagrees("it verifies", str(error)[:300]) from error
    return found.status, frozenset(found.advisory_ids)


def _collateral(endorsed: Endorsed) -> QuoteCollateralV3:
    from dcap_qvl import QuoteCollateralV3

    top, authority, _ = endorsed.chain.certificates
    info_signer, identity_signer = endorsed.signers
    root_list, pck_list = endorsed.lists
    return QuoteCollateralV3(
        pck_crl_issuer_chain=_pem(authority, top),
        root_ca_crl=root_list.der,
        pck_crl=pck_list.der,
        tcb_info_issuer_chain=_pem(info_signer, top),
        tcb_info=endorsed.tcb_info.text.decode(),
        tcb_info_signature=endorsed.tcb_info.signature,
        qe_identity_issuer_chain=_pem(identity_signer, top),
        qe_identity=endorsed.identity.text.decode(),
        qe_identity_signature=endorsed.identity.signature,
    )


def _pem(*certificates: Certificate) -> str:
    loaded = (x509.load_der_x509_certificate(one.der) for one in certificates)
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in loaded)


def _disagrees(ours: str, theirs: str) -> EvidenceRejectedError:
    return EvidenceRejectedError(
        "another implementation of Intel's rules does not say the same of this quote",
        step="evidence.second_opinion",
        expected=ours,
        got=theirs,
        remedy="report both to whoever maintains Casemate: one of them is wrong",
    )
