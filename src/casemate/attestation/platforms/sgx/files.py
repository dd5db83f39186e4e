"""SGX quotes as they lie in files."""

from __future__ import annotations

from typing import Any

from casemate.attestation.platforms.intel.files import common_fields, endorsements
from casemate.attestation.platforms.intel.quote import looks_like_quote
from casemate.attestation.platforms.intel.reports import EnclaveReport
from casemate.attestation.platforms.intel.steps import understood

__all__ = ["endorsements", "fields", "recognises"]


def recognises(data: bytes) -> bool:
    return looks_like_quote(data, tdx=False)


def fields(data: bytes) -> dict[str, Any]:
    """Errors: EvidenceError, TooLargeError."""
    quote, report = understood(data, EnclaveReport)
    return {
        "cpusvn": report.cpu_svn.hex(),
        "miscselect": report.misc_select.hex(),
        "isvextprodid": report.isv_extended_product.hex(),
        "attributes": report.attributes.hex(),
        "debug": bool(report.flags & 0b10),
        "mrenclave": report.mr_enclave.hex(),
        "mrsigner": report.mr_signer.hex(),
        "configid": report.config_id.hex(),
        "isvprodid": report.isv_product,
        "isvsvn": report.isv_svn,
        "configsvn": report.config_svn,
        "isvfamilyid": report.isv_family.hex(),
        "report_data": report.report_data.hex(),
        **common_fields(quote),
    }
