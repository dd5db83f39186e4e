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

from casemate.wire.fields import format_time

__all__ = ["VERIFIER_TOKEN", "VerifiedClaims"]


class _VerifierToken:
    """Held by the verifier alone; there is one instance."""


VERIFIER_TOKEN: Final = _VerifierToken()


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of evidence that verified.

    `platform`, a name of `casemate.platforms`, follows from the root that verified the evidence. `runtime_measurement`
    is `sha384:…` or `sha256:…`. `manifest` is the digest of the launch manifest (32 bytes) that the platform bound to
    the domain before it ran. `report_data` has 64 bytes (32 of a TPM). `hardware` tells one machine from another, in
    bytes of the platform's own. `tcb` are security versions by the platform's own names, the lowest that the domain ran
    under; `values` is what else a policy may ask for, as lower-case hex or a word. `tcb_status` is the vendor's verdict
    on the TCB, for the `advisories` that are open; None where the vendor gives none. `lacks` names what the evidence
    should have come with and did not: whoever asked the verifier to let it pass (`Expected.excused`) judges that.
    `seen` are numbers of the authorities' revocation lists, which must never be lower again, by name
    (`Expected.floors`); `chosen` those of documents, of which several are in force and whoever sends evidence chooses.
    Neither is there where the claims come from a record. `ends` says of what endorsed the evidence, by the name that a
    cache gives it, when it ends; for foresight, not for decisions. `details` holds the rest for people: nothing in it
    decides.
    """

    platform: str
    product: str
    runtime_measurement: str
    manifest: bytes
    report_data: bytes
    hardware: bytes
    tcb: Mapping[str, int]
    verified_at: datetime
    token: InitVar[_VerifierToken]
    values: Mapping[str, str] = field(default_factory=dict)
    tcb_status: str | None = None
    advisories: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()
    seen: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, datetime] = field(default_factory=dict, compare=False)
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self, token: _VerifierToken) -> None:
        if token is not VERIFIER_TOKEN:
            raise TypeError("VerifiedClaims are made by casemate.attestation only")
        for name in ("tcb", "values", "seen", "chosen", "ends", "details"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def to_object(self) -> dict[str, Any]:
        """As JSON of the protocol, for people and records: bytes in hex, times of UTC. No secret is in claims."""
        return {
            "platform": self.platform,
            "product": self.product,
            "runtime_measurement": self.runtime_measurement,
            "manifest": f"sha256:{self.manifest.hex()}" if self.manifest else None,
            "report_data": self.report_data.hex(),
            "hardware": self.hardware.hex(),
            "tcb": dict(self.tcb),
            "tcb_status": self.tcb_status,
            "advisories": list(self.advisories),
            "values": dict(self.values),
            "lacks": sorted(self.lacks),
            "verified_at": format_time(self.verified_at),
            "seen": {**self.seen, **self.chosen},
            "ends": {name: format_time(end) for name, end in self.ends.items()},
            "details": _plain(self.details),
        }

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("VerifiedClaims have no other forms")


def _plain(value: object) -> Any:
    """Details as JSON of the protocol: what is not, becomes text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    return str(value)
