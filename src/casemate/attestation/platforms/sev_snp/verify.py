"""Verification of SEV-SNP evidence, in numbered steps.

 1  the report is of a known version and every reserved field is zero             report.py
 2  the certificate table leads to a root that the caller trusts                  table.py, chain.py
 3  root → ASK (or ASVK) → VCEK (or VLEK): each signed by the one before,
    each of its kind, of one product line, and allowed to do what it does         chain.py
 4  the newest revocation list of the root is there and revokes nothing of it     revocation.py
 5  the report key is a P-384 key with AMD's extensions                           key_extensions.py
 6  certificates and list cover the time; the list is not older than one seen     chain.py
 7  the report is signed by that key
 8  product, TCB and chip are those that the key was certified for
 9  the guest was not launched with debug or a migration agent
10  the report was asked for by code as privileged as the shield
11  HOST_DATA and report data are what the caller expects

`tcb` in the claims is, component by component, the lower of what was reported and what the guest was launched under:
firmware that is updated afterwards does not mend what an older one may have let happen at the launch.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from casemate.attestation.expectations import Expected, Roots, check_expected
from casemate.attestation.platforms.sev_snp.chain import Chain, verified_chain
from casemate.attestation.platforms.sev_snp.report import Report
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.errors import EvidenceRejectedError, SignatureError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["verify_sev_snp"]


_PLATFORM_INFO: Final = {
    "smt": 0,
    "tsme": 1,
    "ecc": 2,
    "rapl_disabled": 3,
    "ciphertext_hiding": 4,
    "alias_check": 5,
    "tio": 7,
}
"""Which bit says that of the machine (ABI 56860, PLATFORM_INFO): what the host's firmware was told, not what a guest
asked for (`guest_policy`).
"""


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
        without_list="crl" in expected.excused,
    )
    # 6. All of it at this time, and no step back in revocation.
    chain.check_times(at)
    chain.check_floor(expected.floors)
    # 7. The chip said it.
    _check_signature(report, chain)
    # 8. This product line, at this TCB, this chip.
    reported = _check_certified(report, chain)
    # 9. Nobody can look in from outside.
    _check_guest_policy(report)
    # 10. No less privileged code of the guest asked for it.
    _check_vmpl(report, expected)
    # 11. For this manifest, this caller, this moment.
    check_expected(expected, manifest=report.host_data, report_data=report.report_data, step="evidence.host_data")
    return VerifiedClaims(
        platform=chain.platform,
        product=chain.product.name.lower(),
        runtime_measurement=f"sha384:{report.measurement.hex()}",
        manifest=report.host_data,
        report_data=report.report_data,
        hardware=report.chip_id,
        tcb={**_lowest(reported, chain.product.unpack(report.launch_tcb)), "guest": report.guest_svn},
        verified_at=at,
        values=_values(report, chain),
        lacks=frozenset() if chain.revocation else frozenset({"crl"}),
        seen=_seen(chain),
        ends=_ends(chain),
        token=VERIFIER_TOKEN,
        details=_details(report, chain),
    )


def _check_signature(report: Report, chain: Chain) -> None:
    r, s = report.signature
    try:
        chain.key.verify(encode_dss_signature(r, s), report.signed_bytes(), ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise SignatureError(
            "the report is not signed by the certified key",
            step="evidence.signature",
            remedy="the report was changed, or the certificates are of another chip or another TCB",
        ) from error


def _check_certified(report: Report, chain: Chain) -> dict[str, int]:
    """The reported TCB, component by component."""
    product = chain.product
    if report.cpuid is not None and report.cpuid[0] != product.family:
        raise _rejected(
            "the report is of another product line than its certificates",
            "evidence.product",
            f"{product.name}, family {product.family:#x}",
            f"family {report.cpuid[0]:#x}",
        )
    for name, version in report.tcb_versions().items():
        if not product.reserved_is_zero(version):
            raise _rejected(f"reserved bits in the {name} TCB", "evidence.tcb", got=version.hex())
    reported = product.unpack(report.reported_tcb)
    if reported != chain.extensions.spl:
        raise _rejected(
            "the reported TCB is not the certified one", "evidence.tcb", _text(chain.extensions.spl), _text(reported)
        )
    _check_chip(report, chain)
    return reported


def _check_chip(report: Report, chain: Chain) -> None:
    hwid = chain.extensions.hwid
    if hwid is None:
        return  # a VLEK stands for a cloud provider's whole fleet
    # Turin's chip id is 8 bytes; the rest of the field is zero. A masked chip id cannot be held against a VCEK.
    if not hmac.compare_digest(report.chip_id, hwid.ljust(len(report.chip_id), b"\0")):
        raise _rejected(
            "the report is of another chip than its certificate", "evidence.chip", hwid.hex(), report.chip_id.hex()
        )


def _check_guest_policy(report: Report) -> None:
    if report.policy.debug:
        raise _rejected("launched with debug: the host can read its memory", "evidence.debug", "off", "on")
    if report.policy.migration_agent:
        raise _rejected("launched with a migration agent, which could copy it", "evidence.migration", "off", "on")


def _check_vmpl(report: Report, expected: Expected) -> None:
    if report.vmpl > expected.max_vmpl:
        raise _rejected(
            "asked for by less privileged code than the shield",
            "evidence.vmpl",
            f"VMPL ≤ {expected.max_vmpl}",
            str(report.vmpl),
        )


def _lowest(reported: Mapping[str, int], launch: Mapping[str, int]) -> dict[str, int]:
    return {name: min(version, launch[name]) for name, version in reported.items()}


def _seen(chain: Chain) -> dict[str, int]:
    return {} if chain.revocation is None else {chain.root: chain.revocation.number}


def _values(report: Report, chain: Chain) -> dict[str, str]:
    """What a policy may ask for (`casemate.platforms`)."""
    return {
        "product": chain.product.name.lower(),
        "chip_id": report.chip_id.hex(),
        "family_id": report.family_id.hex(),
        "image_id": report.image_id.hex(),
        "id_key_digest": report.id_key_digest.hex(),
        "author_key_digest": report.author_key_digest.hex(),
        "guest_policy": f"{report.policy.raw:#x}",
        "launch_mitigations": f"{report.launch_mitigations:#x}",
        "current_mitigations": f"{report.current_mitigations:#x}",
        **{name: "on" if report.platform_info >> bit & 1 else "off" for name, bit in _PLATFORM_INFO.items()},
        **({} if chain.extensions.csp_id is None else {"csp_id": chain.extensions.csp_id}),
    }


def _ends(chain: Chain) -> dict[str, datetime]:
    """By the names of `wanted.py`."""
    root, intermediate, leaf = chain.certificates
    vendor = "amd" if chain.platform == "sev-snp" else chain.platform
    folder, kind = f"{vendor}/{chain.product.name.lower()}", "vcek" if chain.extensions.csp_id is None else "vlek"
    ends = {f"{folder}/{kind}-chain.pem": min(root.end, intermediate.end), f"{folder}/{kind}": leaf.end}
    return ends if chain.revocation is None else {**ends, f"{folder}/crl.der": chain.revocation.end}


def _details(report: Report, chain: Chain) -> dict[str, object]:
    return {
        "report_version": report.version,
        "vmpl": report.vmpl,
        "guest_policy": f"{report.policy.raw:#x}",
        "platform_info": f"{report.platform_info:#x}",
        "key": "VLEK" if report.signed_with_vlek else "VCEK",
        "certified_product": chain.extensions.product,
        "root": chain.root,
        "crl_number": None if chain.revocation is None else chain.revocation.number,
        **{f"{name}_tcb": _text(chain.product.unpack(version)) for name, version in report.tcb_versions().items()},
    }


def _text(components: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {version}" for name, version in components.items())


def _rejected(message: str, step: str, expected: str | None = None, got: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got)
