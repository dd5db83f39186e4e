"""Verification of SGX quotes, in numbered steps.

 1  the quote is of a known version and every reserved field is zero              intel/quote.py, intel/reports.py
 2  its certificates lead from the machine to Intel's root, each of its kind      intel/chain.py, intel/machine.py
 3  the machine's key signed the quoting enclave's report, the enclave holds
    the quote's key, and that signed the quote                                    intel/vouched.py
 4  nobody can look into the enclave: debug, attributes
 5  CONFIGID is the manifest's digest; report data is what the caller expects
 6  Intel's documents of this kind of machine and of the quoting enclave are
    there, signed; so are the revocation lists, and nothing of it is revoked      intel/endorsed.py
 7  certificates, lists and documents cover the time, none older than one seen    intel/endorsed.py
 8  Intel knows machine and quoting enclave; its verdict on them                  intel/tcb.py
 9  another implementation of Intel's rules comes to the same verdict, on a
    quote of version 3: it judges no others, and their claims say so              intel/second_opinion.py

What costs most comes last: a quote that was made for somebody else does not get there.

Whether the verdict is good enough is for a policy to say: it is in the claims. Only what Intel revoked, or does not
know, is refused here. `runtime_measurement` is MRENCLAVE. CONFIGID is there only for enclaves with key separation and
sharing (KSS): the processor holds it at zero for others, which bind no manifest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from casemate.attestation.expectations import Expected, Roots, check_expected
from casemate.attestation.platforms.intel.endorsed import Endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reports import ENCLAVE_DEBUG, EnclaveReport
from casemate.attestation.platforms.intel.second_opinion import is_judged_twice
from casemate.attestation.platforms.intel.steps import understood, vouched
from casemate.attestation.platforms.intel.tcb import Verdict
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.errors import EvidenceRejectedError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["config_of", "verify_sgx"]

_INITIALISED: Final = 1 << 0
_MODE_64: Final = 1 << 2
_PROVISIONING: Final = 1 << 4
_LAUNCHING: Final = 1 << 5
_KSS: Final = 1 << 7
_NOTIFIED: Final = 1 << 10
_KNOWN: Final = _INITIALISED | ENCLAVE_DEBUG | _MODE_64 | _PROVISIONING | _LAUNCHING | _KSS | _NOTIFIED
"""Flags of ATTRIBUTES (Intel SDM volume 3D, table "Layout of ATTRIBUTES Structure")."""
_PAD: Final = bytes(32)


def verify_sgx(
    evidence: Evidence, endorsements: Endorsements, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    # 1. A quote of an enclave that is understood in every part.
    quote, report = understood(evidence.report, EnclaveReport)
    # 2. The machine's key, from Intel's root. 3. The machine's quoting enclave said it.
    quoted = vouched(quote, report, roots)
    # 4. Nobody can look in from outside.
    _check_attributes(report)
    # 5. For this manifest, this caller, this moment.
    check_expected(expected, manifest=report.config_id, report_data=report.report_data, bound=config_of)
    # 6. What Intel says of this kind of machine, and what it revoked. 7. All of it at this time, and no step back.
    known = quoted.endorsed(endorsements, at, expected.floors)
    # 8. Intel's verdict.
    verdict = quoted.judged(known)
    # 9. By two implementations, where the other one judges such quotes.
    quoted.check_agreement(known, verdict, at)
    return VerifiedClaims(
        platform="sgx",
        product="sgx",
        runtime_measurement=f"sha256:{report.mr_enclave.hex()}",
        manifest=report.config_id[: -len(_PAD)] if report.config_id.endswith(_PAD) else b"",
        report_data=report.report_data,
        hardware=quoted.chain.machine.ppid,
        tcb={"evaluation": known.evaluation, "isv": report.isv_svn, "config": report.config_svn},
        verified_at=at,
        values=_values(quote, report, known),
        tcb_status=verdict.status,
        advisories=verdict.advisories,
        seen=known.seen,
        chosen=known.chosen,
        ends=known.ends,
        token=VERIFIER_TOKEN,
        details=_details(quote, report, known, verdict),
    )


def config_of(manifest: bytes) -> bytes:
    """What CONFIGID is, of an enclave that is started for a manifest's digest."""
    return manifest + _PAD


def _check_attributes(report: EnclaveReport) -> None:
    flags = report.flags
    if report.in_debug_mode:
        raise _rejected("built with debug: the host can read its memory", "evidence.debug", "off", "on")
    if not flags & _INITIALISED or flags & ~_KNOWN:
        raise _rejected("attributes that are not known", "evidence.attributes", got=f"{flags:#x}")
    if flags & (_PROVISIONING | _LAUNCHING):
        raise _rejected("may ask for keys of the machine's own", "evidence.attributes", got=f"{flags:#x}")
    if not flags & _KSS and (any(report.config_id) or report.config_svn):
        raise _rejected(
            "a configuration without KSS, which is no processor's", "evidence.attributes", got=f"{flags:#x}"
        )


def _values(quote: Quote, report: EnclaveReport, known: Endorsed) -> dict[str, str]:
    """What a policy may ask for (`casemate.platforms`). `opinions`: how many implementations judged the machine."""
    return {
        **known.values(),
        "opinions": "2" if is_judged_twice(quote) else "1",
        "mrsigner": report.mr_signer.hex(),
        "isv_product": str(report.isv_product),
        "isv_family": report.isv_family.hex(),
        "attributes": report.attributes.hex(),
    }


def _details(quote: Quote, report: EnclaveReport, known: Endorsed, verdict: Verdict) -> dict[str, object]:
    return {
        "quote_version": quote.version,
        "second_opinion": "the same" if is_judged_twice(quote) else "none: dcap-qvl judges SGX in version 3 only",
        "cpu_svn": report.cpu_svn.hex(),
        "misc_select": report.misc_select.hex(),
        "isv_extended_product": report.isv_extended_product.hex(),
        "config_id": report.config_id.hex(),
        **known.details(),
        **verdict.details(),
    }


def _rejected(message: str, step: str, expected: str | None = None, got: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got)
