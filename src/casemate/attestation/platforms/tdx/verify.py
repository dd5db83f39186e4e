"""Verification of TDX quotes, in numbered steps.

 1  the quote is of a known version and every reserved field is zero              intel/quote.py, intel/reports.py
 2  its certificates lead from the machine to Intel's root, each of its kind      intel/chain.py, intel/machine.py
 3  the machine's key signed the quoting enclave's report, the enclave holds
    the quote's key, and that signed the quote                                    intel/vouched.py
 4  nobody can look into the domain, move it, or have it run on what it
    cannot trust: debug, migration, attributes
 5  MRCONFIGID is the manifest's digest; report data is what the caller expects
 6  Intel's documents of this kind of machine and of the quoting enclave are
    there, signed; so are the revocation lists, and nothing of it is revoked      intel/endorsed.py
 7  certificates, lists and documents cover the time, none older than one seen    intel/endorsed.py
 8  Intel knows machine, TDX module and quoting enclave; its verdict on them,
    of the launch and of now                                                      intel/tcb.py
 9  another implementation of Intel's rules comes to the same verdict on the
    launch; of what runs now there is our judgement only                          intel/second_opinion.py
10  an event log that came with it replays to the four RTMRs

What costs most comes last: a quote that was made for somebody else does not get there.

Whether the verdict is good enough is for a policy to say: it is in the claims. Only what Intel revoked, or does not
know, is refused here. `runtime_measurement` is a hash over MRTD and RTMR0 to RTMR2; RTMR3 belongs to whoever runs
inside, and is among the values.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from casemate.attestation.eventlog import EventLog, replay
from casemate.attestation.expectations import Expected, Roots, check_expected
from casemate.attestation.platforms.intel.endorsed import Endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.intel.steps import understood, vouched
from casemate.attestation.platforms.intel.tcb import Verdict, together
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.errors import EvidenceRejectedError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["config_of", "runtime_measurement", "verify_tdx"]

_TUD: Final = 0xFF
"""Bits 0 to 7, "TD under debug": with any of them its host may look inside, or change what it does."""
_SEPT_VE_DISABLE: Final = 1 << 28
_MIGRATABLE: Final = 1 << 29
_ATTRIBUTES: Final = _TUD | _SEPT_VE_DISABLE | _MIGRATABLE | 1 << 30 | 1 << 31 | 1 << 63
"""The two others are protection keys and key locker, and performance counters (TDX module ABI, ATTRIBUTES)."""
_XFAM_ONES: Final = 0b11
_XFAM: Final = 0xE_DBE7
"""x87, SSE, AVX, AVX-512, PT, PKRU, PASID, CET, ULI, LBR, AMX, APX (Intel SDM, XCR0 and IA32_XSS)."""
_PAD: Final = bytes(16)
_DOMAIN: Final = b"casemate/tdx-runtime/v1"


def verify_tdx(
    evidence: Evidence, endorsements: Endorsements, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    # 1. A quote of a trust domain that is understood in every part.
    quote, report = understood(evidence.report, TdReport)
    # 2. The machine's key, from Intel's root. 3. The machine's quoting enclave said it.
    quoted = vouched(quote, report, roots)
    # 4. Nobody can look in from outside.
    _check_launch(report)
    # 5. For this manifest, this caller, this moment.
    check_expected(expected, manifest=report.mr_config_id, report_data=report.report_data, bound=config_of)
    # 6. What Intel says of this kind of machine, and what it revoked. 7. All of it at this time, and no step back.
    known = quoted.endorsed(endorsements, at, expected.floors)
    # 8. Intel's verdict, on what it was launched under, and on what it runs under now.
    launch, now = quoted.judged(known), quoted.judged(known, report.as_of_now())
    # 9. By two implementations: of the launch, as the other one never judges a domain by what runs now.
    quoted.check_agreement(known, launch, at)
    verdict = together(launch, now)
    # 10. What was measured is what the log says, where there is one.
    _check_log(report, evidence.log)
    return VerifiedClaims(
        platform="tdx",
        product="tdx",
        runtime_measurement=runtime_measurement(report),
        manifest=report.mr_config_id[: -len(_PAD)] if report.mr_config_id.endswith(_PAD) else b"",
        report_data=report.report_data,
        hardware=quoted.chain.machine.ppid,
        tcb={"evaluation": known.evaluation, "module": _module(report)},
        verified_at=at,
        values=_values(report, known),
        tcb_status=verdict.status,
        advisories=verdict.advisories,
        seen=known.seen,
        chosen=known.chosen,
        ends=known.ends,
        token=VERIFIER_TOKEN,
        details=_details(quote, report, known, verdict),
    )


def runtime_measurement(report: TdReport) -> str:
    """Firmware and what it measured before the shield: spec/evidence.md, "Verification of quotes of Intel's"."""
    measured = b"".join((_DOMAIN, report.mr_td, *report.rtmrs[:3]))
    return f"sha384:{hashlib.sha384(measured).hexdigest()}"


def config_of(manifest: bytes) -> bytes:
    """What MRCONFIGID is, of a domain that is launched for a manifest's digest."""
    return manifest + _PAD


def _check_launch(report: TdReport) -> None:
    flags, xfam = report.flags, int.from_bytes(report.xfam, "little")
    if flags & _TUD:
        raise _rejected(
            "launched with debug: the host can read its memory", "evidence.debug", "0x00", f"{flags & _TUD:#04x}"
        )
    if flags & _MIGRATABLE or any(report.mr_service_td or b""):
        raise _rejected("may be moved, or is bound to another domain that can see its keys", "evidence.migration")
    if not flags & _SEPT_VE_DISABLE:
        raise _rejected(
            "the host may interrupt it with pages that are not there", "evidence.attributes", "SEPT_VE_DISABLE"
        )
    if flags & ~_ATTRIBUTES:
        raise _rejected("attributes that are not known", "evidence.attributes", got=f"{flags & ~_ATTRIBUTES:#x}")
    if xfam & _XFAM_ONES != _XFAM_ONES or xfam & ~_XFAM:
        raise _rejected("extended features that are not known", "evidence.attributes", got=f"XFAM {xfam:#x}")


def _module(report: TdReport) -> int:
    """The lowest version of the TDX module that the domain ran under: the minor byte first, then the major one."""
    versions = (report.tee_tcb_svn, report.current_tcb_svn or report.tee_tcb_svn)
    return min(int.from_bytes(version[:2], "little") for version in versions)


def _check_log(report: TdReport, data: bytes | None) -> None:
    """Registers of the log are counted from MRTD, which nothing is extended into once a domain runs (UEFI 2.11, section
    38.4.1): a record of it would be believed, and compared with nothing.
    """
    if data is None:
        return
    registers = replay(EventLog.parse(data), "sha384")
    others = sorted(registers.keys() - range(1, len(report.rtmrs) + 1))
    if others:
        raise _rejected("the event log is about a register that is no RTMR", "evidence.log", got=str(others[0]))
    for number, value in enumerate(report.rtmrs):
        replayed = registers.get(number + 1, bytes(len(value)))
        if replayed != value:
            raise _rejected(f"the event log does not lead to RTMR{number}", "evidence.log", replayed.hex(), value.hex())


def _values(report: TdReport, known: Endorsed) -> dict[str, str]:
    """What a policy may ask for (`casemate.platforms`)."""
    return {
        **known.values(),
        "mrtd": report.mr_td.hex(),
        "mrseam": report.mr_seam.hex(),
        "mrsignerseam": report.mr_signer_seam.hex(),
        "mrowner": report.mr_owner.hex(),
        "mrownerconfig": report.mr_owner_config.hex(),
        "attributes": report.attributes.hex(),
        "xfam": report.xfam.hex(),
        **{f"rtmr{number}": value.hex() for number, value in enumerate(report.rtmrs)},
    }


def _details(quote: Quote, report: TdReport, known: Endorsed, verdict: Verdict) -> dict[str, object]:
    current = report.current_tcb_svn
    return {
        "quote_version": quote.version,
        "second_opinion": "the same, on the launch",
        "tee_tcb_svn": report.tee_tcb_svn.hex(),
        "current_tcb_svn": None if current is None else current.hex(),
        "mr_config_id": report.mr_config_id.hex(),
        **known.details(),
        **verdict.details(),
    }


def _rejected(message: str, step: str, expected: str | None = None, got: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got)
