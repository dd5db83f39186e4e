"""TDX quotes as they lie in files."""

from __future__ import annotations

from typing import Any

from casemate.attestation.platforms.intel.files import common_fields, endorsements
from casemate.attestation.platforms.intel.quote import looks_like_quote
from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.intel.steps import understood

__all__ = ["endorsements", "fields", "recognises"]


def recognises(data: bytes) -> bool:
    return looks_like_quote(data, tdx=True)


def fields(data: bytes) -> dict[str, Any]:
    """Errors: EvidenceError, TooLargeError."""
    quote, report = understood(data, TdReport)
    named = {
        "tee_tcb_svn": report.tee_tcb_svn,
        "tee_tcb_svn2": report.current_tcb_svn,
        "mrseam": report.mr_seam,
        "mrsignerseam": report.mr_signer_seam,
        "seamattributes": report.seam_attributes,
        "attributes": report.attributes,
        "xfam": report.xfam,
        "mrtd": report.mr_td,
        "mrconfigid": report.mr_config_id,
        "mrowner": report.mr_owner,
        "mrownerconfig": report.mr_owner_config,
        **{f"rtmr{number}": value for number, value in enumerate(report.rtmrs)},
        "mrservicetd": report.mr_service_td,
        "report_data": report.report_data,
    }
    return {
        **{name: value.hex() for name, value in named.items() if value is not None},
        "debug": bool(report.flags & 0xFF),
        **common_fields(quote),
    }
