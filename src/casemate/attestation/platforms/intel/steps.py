"""Steps that verifiers of quotes share (spec/evidence.md, "Verification of quotes of Intel's"), up to Intel's verdict.
Numbers are those of the steps in tdx/verify.py and sgx/verify.py, which say in which order they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.intel.chain import PckChain, trusted_root
from casemate.attestation.platforms.intel.endorsed import Endorsed, endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reader import malformed
from casemate.attestation.platforms.intel.reports import EnclaveReport, TdReport
from casemate.attestation.platforms.intel.second_opinion import check_agreement
from casemate.attestation.platforms.intel.tcb import Verdict, judged
from casemate.attestation.platforms.intel.vouched import QuotingEnclave, check_quote, pck_chain, quoting_enclave
from casemate.wire.evidence import Endorsements

__all__ = ["Vouched", "understood", "vouched"]

Report = TypeVar("Report", EnclaveReport, TdReport)


def understood(data: bytes, kind: type[Report]) -> tuple[Quote, Report]:
    """1: a quote of this kind of environment, and its report. Errors: EvidenceMalformedError, TooLargeError."""
    quote = Quote.parse(data)
    if not isinstance(quote.body, kind):
        raise malformed("of another kind of environment", _NAMES[kind], _NAMES[type(quote.body)])
    return quote, quote.body


def vouched(quote: Quote, report: Report, roots: Roots) -> Vouched[Report]:
    """2: its certificates lead from the machine to Intel's root. 3: the machine vouches for the quoting enclave, and
    that for the quote. Errors: EvidenceError.
    """
    root = trusted_root(roots)
    chain = pck_chain(quote, root)
    enclave = quoting_enclave(quote, chain)
    check_quote(quote, enclave)
    return Vouched(quote, report, root, chain, enclave)


@dataclass(frozen=True, slots=True)
class Vouched(Generic[Report]):
    """A quote that a machine of Intel's vouches for, whatever it says and whatever Intel says of that machine. `root`
    is the DER of the one that is trusted.
    """

    quote: Quote
    report: Report
    root: bytes
    chain: PckChain
    enclave: QuotingEnclave

    def endorsed(self, endorsements: Endorsements, at: datetime, floors: Mapping[str, int]) -> Endorsed:
        """6: what Intel says of this kind of machine is there, and nothing revoked. 7: all of it covers the time, and
        is no older than what was seen before. Errors: EndorsementError.
        """
        known = endorsed(self.chain, endorsements, self.root, tdx=isinstance(self.report, TdReport))
        known.check_times(at)
        known.check_floors(floors)
        return known

    def judged(self, known: Endorsed, report: Report | None = None) -> Verdict:
        """8: Intel's verdict, on another report in the place of the quote's where there is one. Errors:
        EvidenceRejectedError.
        """
        body = self.report if report is None else report
        return judged(self.chain.machine, body, self.enclave.report, known.tcb_info.content, known.identity.content)

    def check_agreement(self, known: Endorsed, verdict: Verdict, at: datetime) -> None:
        """9: another implementation comes to the same verdict. Errors: EvidenceRejectedError."""
        check_agreement(self.quote, known, verdict, self.root, at)


_NAMES = {EnclaveReport: "an SGX enclave", TdReport: "a TDX domain"}
