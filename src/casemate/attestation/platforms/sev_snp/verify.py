"""Verification of SEV-SNP evidence, in numbered steps.

 1  the report is of a known version and every reserved field is zero             report.py
 2  the certificate table leads to a root that the caller trusts                  chain.py
 3  root → ASK (or ASVK) → VCEK (or VLEK), each signed by the one before          chain.py
 4  a revocation list of the root is there and revokes nothing of it              chain.py
 5  the report key is a P-384 key of the same product, with AMD's extensions      chain.py
 6  certificates and lists cover the time; the list is not older than one seen
 7  the report is signed by that key
 8  reported TCB and chip are those that the key was certified for
 9  the guest was not launched with debug or a migration agent
10  HOST_DATA and report data are what the caller expects
"""

from __future__ import annotations

import hmac
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.sev_snp.chain import Chain, verified_chain
from casemate.attestation.platforms.sev_snp.report import Report
from casemate.claims import VERIFIER_TOKEN, Tcb, VerifiedClaims
from casemate.errors import EvidenceRejectedError, SignatureError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["verify_sev_snp"]


def verify_sev_snp(
    evidence: Evidence, endorsements: Endorsements, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    # 1. A report that is understood in every bit.
    report = Report.parse(evidence.report)
    # 2, 3, 4, 5. Its key, from a trusted root, not revoked.
    chain = verified_chain(
        endorsements.certificates,
        endorsements.crls,
        vlek=report.signed_with_vlek,
        roots=roots,
        expected=expected,
    )
    # 6. All of it at this time, and no step back in revocation.
    chain.check_times(at)
    chain.check_floor(expected.crl_floors)
    # 7. The chip said it.
    _check_signature(report, chain)
    # 8. This chip, at this TCB.
    tcb = _check_certified(report, chain)
    # 9. Nobody can look in from outside.
    _check_guest_policy(report)
    # 10. For this manifest, this caller, this moment.
    _check_expected(report, expected)
    return VerifiedClaims(
        platform=chain.platform,
        product=chain.product,
        runtime_measurement=f"sha384:{report.measurement.hex()}",
        host_data=report.host_data,
        report_data=report.report_data,
        chip_id=report.chip_id,
        tcb=tcb,
        vmpl=report.vmpl,
        verified_at=at,
        token=VERIFIER_TOKEN,
        details=_details(report, chain),
    )


def _check_signature(report: Report, chain: Chain) -> None:
    r, s = report.signature
    try:
        chain.key.verify(encode_dss_signature(r, s), report.signed_bytes(), ec.ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            "the report is not signed by the certified key",
            step="evidence.signature",
            remedy="the report was changed, or the certificates are of another chip or another TCB",
        ) from error


def _check_certified(report: Report, chain: Chain) -> Tcb:
    turin = chain.product == "turin"
    if report.turin is not None and report.turin != turin:
        raise _rejected("the report is of another product than its certificates", "evidence.product", chain.product)
    for name, version in (("reported", report.reported_tcb), ("current", report.current_tcb)):
        if not version.reserved_is_zero(turin=turin):
            raise _rejected(f"reserved bits in the {name} TCB", "evidence.tcb")
    components = {
        name: report.reported_tcb.component(name, turin=turin)
        for name in ("bootloader", "tee", "snp", "microcode", *(("fmc",) if turin else ()))
    }
    certified = {name: chain.extensions.spl.get(name) for name in components}
    if components != certified:
        raise _rejected("the reported TCB is not the certified one", "evidence.tcb", str(certified), str(components))
    _check_chip(report, chain)
    return Tcb(**components)


def _check_chip(report: Report, chain: Chain) -> None:
    hwid = chain.extensions.hwid
    if hwid is None:
        return  # a VLEK stands for a cloud provider's whole fleet
    # Turin's chip id is 8 bytes; the rest of the field is zero. A masked chip id cannot be held against a VCEK.
    if not hmac.compare_digest(report.chip_id, hwid.ljust(64, b"\0")):
        raise _rejected(
            "the report is of another chip than its certificate", "evidence.chip", hwid.hex(), report.chip_id.hex()
        )


def _check_guest_policy(report: Report) -> None:
    if report.policy.debug:
        raise _rejected("launched with debug: the host can read its memory", "evidence.debug", "off", "on")
    if report.policy.migration_agent:
        raise _rejected("launched with a migration agent, which could copy it", "evidence.migration", "off", "on")


def _check_expected(report: Report, expected: Expected) -> None:
    if not hmac.compare_digest(report.host_data, expected.host_data):
        raise _rejected(
            "launched for another manifest", "evidence.host_data", expected.host_data.hex(), report.host_data.hex()
        )
    if not hmac.compare_digest(report.report_data, expected.report_data):
        raise _rejected(
            "made for another purpose, custodian, nonce or key",
            "evidence.report_data",
            expected.report_data.hex(),
            report.report_data.hex(),
        )


def _details(report: Report, chain: Chain) -> dict[str, object]:
    return {
        "report_version": report.version,
        "guest_policy": f"{report.policy.raw:#x}",
        "smt": report.policy.smt,
        "platform_info": f"{report.platform_info:#x}",
        "key": "VLEK" if chain.vlek else "VCEK",
        "csp_id": chain.extensions.csp_id,
        "certified_product": chain.extensions.product,
    }


def _rejected(message: str, step: str, expected: str | None = None, got: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got)
