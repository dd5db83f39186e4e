"""The evidence formats that are understood: who verifies each, and who reads its files. One line a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.intel.wanted import wanted as wanted_for_intel
from casemate.attestation.platforms.nitro import files as nitro
from casemate.attestation.platforms.nitro.verify import verify_nitro
from casemate.attestation.platforms.sev_snp import files as sev_snp
from casemate.attestation.platforms.sev_snp.verify import verify_sev_snp
from casemate.attestation.platforms.sev_snp.wanted import joined as joined_table
from casemate.attestation.platforms.sev_snp.wanted import wanted as wanted_for_sev_snp
from casemate.attestation.platforms.sgx import files as sgx
from casemate.attestation.platforms.sgx.verify import verify_sgx
from casemate.attestation.platforms.tdx import files as tdx
from casemate.attestation.platforms.tdx.verify import verify_tdx
from casemate.attestation.platforms.tpm import files as tpm
from casemate.attestation.platforms.tpm.verify import verify_tpm
from casemate.attestation.wanted import Wanted, concatenated, nothing
from casemate.claims import VerifiedClaims
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["FORMATS", "Format", "Verifier"]

Verifier = Callable[[Evidence, Endorsements, Roots, datetime, Expected], VerifiedClaims]


@dataclass(frozen=True)
class Format:
    """`platform` is what people call it. `recognises` tells whether bytes may be of this format; `fields` is everything
    that they say, for people, believed or not; `endorsements` finds in files what goes with a piece of evidence;
    `wanted` names what its vendor publishes for it, given what came with it;
    `joined` puts certificates of a cache beside those that came.
    """

    platform: str
    verify: Verifier
    recognises: Callable[[bytes], bool]
    fields: Callable[[bytes], dict[str, Any]]
    endorsements: Callable[[bytes, Sequence[bytes]], Endorsements]
    wanted: Callable[[bytes, Endorsements], tuple[Wanted, ...]] = nothing
    joined: Callable[[bytes, Sequence[bytes]], bytes] = concatenated


FORMATS: Final[Mapping[str, Format]] = {
    "nitro-document": Format("nitro", verify_nitro, nitro.recognises, nitro.fields, nitro.endorsements),
    "tpm-quote": Format("tpm", verify_tpm, tpm.recognises, tpm.fields, tpm.endorsements),
    "sgx-quote": Format("sgx", verify_sgx, sgx.recognises, sgx.fields, sgx.endorsements, wanted_for_intel),
    "tdx-quote": Format("tdx", verify_tdx, tdx.recognises, tdx.fields, tdx.endorsements, wanted_for_intel),
    "sev-snp-report": Format(
        "sev-snp",
        verify_sev_snp,
        sev_snp.recognises,
        sev_snp.fields,
        sev_snp.endorsements,
        wanted_for_sev_snp,
        joined_table,
    ),
}
