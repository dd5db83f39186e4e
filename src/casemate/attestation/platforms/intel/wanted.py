"""What Intel's provisioning certification service publishes for a quote (PCS, version 4; a PCCS has the same paths):
documents of this kind of machine and of its quoting enclave, and the lists of both authorities.
"""

from __future__ import annotations

from typing import Final

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel.chain import pem_parts
from casemate.attestation.platforms.intel.machine import SGX_EXTENSIONS, Machine
from casemate.attestation.platforms.intel.quote import PCK_CHAIN, Quote
from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.wanted import Wanted
from casemate.errors import EndorsementError
from casemate.wire.evidence import Endorsements

__all__ = ["ROOT_LIST", "ROOT_LIST_OF_A_PCCS", "of_kind", "of_machine", "of_pck_authority", "wanted"]

ROOT_LIST: Final = "intel/root-crl.der"
ROOT_LIST_OF_A_PCCS: Final = "/sgx/certification/v4/rootcacrl"
"""Intel publishes it beside its root, a PCCS beside the rest."""

_SIGNERS: Final = "intel/signers.pem"
_PLATFORM_CA: Final = "Intel SGX PCK Platform CA"


def wanted(data: bytes, _came: Endorsements) -> tuple[Wanted, ...]:
    """Errors: EvidenceError, TooLargeError."""
    quote = Quote.parse(data)
    kind = "tdx" if isinstance(quote.body, TdReport) else "sgx"
    if quote.attested.certification_type != PCK_CHAIN:
        raise EndorsementError("the quote does not bring the certificate of its machine", step="evidence.pck")
    parts = pem_parts(quote.attested.certification)
    if not parts:
        raise EndorsementError("the quote does not bring the certificate of its machine", step="evidence.pck")
    leaf = Certificate.parse(parts[0], "PCK certificate")
    machine = Machine.parse(leaf.extensions.get(SGX_EXTENSIONS, b""))
    authority = "platform" if any(name.value == _PLATFORM_CA for name in leaf.issuer) else "processor"
    return (*of_pck_authority(authority), *of_kind(kind), of_machine(kind, machine.fmspc.hex()))


def of_pck_authority(authority: str) -> tuple[Wanted, ...]:
    """The lists of what certified machines: `processor` or `platform`, and the root above it."""
    return (
        Wanted(ROOT_LIST, "intel-root", "/IntelSGXRootCA.der"),
        Wanted(
            f"intel/{authority}-crl.der",
            "intel",
            f"/sgx/certification/v4/pckcrl?ca={authority}&encoding=der",
            ("SGX-PCK-CRL-Issuer-Chain", f"intel/{authority}-issuers.pem"),
        ),
    )


def of_kind(kind: str) -> tuple[Wanted, ...]:
    """The quoting enclave's identity, of `tdx` or `sgx`."""
    path = f"/{kind}/certification/v4/qe/identity"
    return (Wanted(f"intel/{kind}-identity.json", "intel", path, ("SGX-Enclave-Identity-Issuer-Chain", _SIGNERS)),)


def of_machine(kind: str, fmspc: str) -> Wanted:
    path = f"/{kind}/certification/v4/tcb?fmspc={fmspc}"
    return Wanted(f"intel/{kind}-tcb/{fmspc}.json", "intel", path, ("TCB-Info-Issuer-Chain", _SIGNERS))
