"""What a verifier found out: the only thing that a policy may judge.

A `VerifiedClaims` can be made only by `casemate.attestation`, which passes its own token: a policy that holds one
knows that signature, chain, revocation and format were checked. The token is not kept, so claims are no way to it, and
`dataclasses.replace` makes no others of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn

__all__ = ["SIMULATED_PLATFORMS", "VERIFIER_TOKEN", "RevocationSeen", "Tcb", "VerifiedClaims"]

SIMULATED_PLATFORMS: Final = frozenset({"simulated", "simulated-container"})
"""They protect nothing; the second cannot even say for sure what was launched (spec/evidence.md)."""


class _VerifierToken:
    """Held by the verifier alone; there is one instance."""


VERIFIER_TOKEN: Final = _VerifierToken()


@dataclass(frozen=True, slots=True)
class Tcb:
    """Security versions of an AMD platform, 0..255 each (SNP firmware ABI, table TCB_VERSION). `fmc` is Turin's."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int | None = None


@dataclass(frozen=True, slots=True)
class RevocationSeen:
    """The revocation list that was used: `issuer` is `sha256:…` of the root's certificate, `number` the list's."""

    issuer: str
    number: int


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of evidence that verified.

    `platform` follows from the root that verified the report (`sev-snp`, `simulated`, `simulated-container`).
    `runtime_measurement` is `sha384:…`; `host_data`, `report_data`, `chip_id` are raw bytes (32, 64, 64). `tcb` is the
    lowest that the domain ran under. `revocation` is None where the claims come from a record. `details` holds the rest
    for people: nothing in it decides.
    """

    platform: str
    product: str
    runtime_measurement: str
    host_data: bytes
    report_data: bytes
    chip_id: bytes
    tcb: Tcb
    vmpl: int
    verified_at: datetime
    token: InitVar[_VerifierToken]
    revocation: RevocationSeen | None = None
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self, token: _VerifierToken) -> None:
        if token is not VERIFIER_TOKEN:
            raise TypeError("VerifiedClaims are made by casemate.attestation only")
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("VerifiedClaims have no other forms")
