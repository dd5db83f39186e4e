"""The one door: evidence in, `VerifiedClaims` out, or an `EvidenceError` that names the step.

What a verifier does is in numbered steps in `platforms/<name>/verify.py`. No verifier touches network, clock or files
(but the vendors' roots, which are part of the package): bytes, roots, time and expectations come in.

What the caller still must do: make the nonce, compute `report_data` over it with the right purpose, take
`host_data` from the manifest that it was shown, and have a policy judge the claims. Genuine evidence of the wrong
workload verifies.
"""

from __future__ import annotations

from datetime import datetime

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import Expected, Roots
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceMalformedError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["Expected", "Roots", "verify"]


def verify(
    evidence: Evidence, endorsements: Endorsements, *, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    known = FORMATS.get(evidence.format)
    if known is None:
        raise EvidenceMalformedError(
            "evidence of an unknown format", step="evidence.format", expected=", ".join(FORMATS), got=evidence.format
        )
    return known.verify(evidence, endorsements, roots, at, expected)
