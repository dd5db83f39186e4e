"""The evidence formats that are understood, and who verifies each. One line a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.nitro.verify import verify_nitro
from casemate.attestation.platforms.sev_snp.verify import verify_sev_snp
from casemate.claims import VerifiedClaims
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["VERIFIERS", "Verifier"]

Verifier = Callable[[Evidence, Endorsements, Roots, datetime, Expected], VerifiedClaims]

VERIFIERS: Final[Mapping[str, Verifier]] = {
    "nitro-document": verify_nitro,
    "sev-snp-report": verify_sev_snp,
}
