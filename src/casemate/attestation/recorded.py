"""Claims of evidence that verified earlier, kept to be judged again (spec/protocol.md, "Leases").

Whoever restores claims vouches that the record comes from where only it could have put it: the custodian reads it
from its sealed store. Nothing that arrives from outside is ever a `RecordedClaims`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from casemate.claims import VERIFIER_TOKEN, Tcb, VerifiedClaims
from casemate.wire.fields import Bytes, Model, Time

__all__ = ["RecordedClaims", "RecordedTcb"]


class RecordedClaims(Model):
    """`VerifiedClaims` as a record; `details` are left out, since nothing in them decides."""

    platform: str
    product: str
    runtime_measurement: str
    host_data: Bytes
    report_data: Bytes
    chip_id: Bytes
    tcb: RecordedTcb
    vmpl: int
    verified_at: Time

    @classmethod
    def of(cls, claims: VerifiedClaims) -> RecordedClaims:
        return cls(
            platform=claims.platform,
            product=claims.product,
            runtime_measurement=claims.runtime_measurement,
            host_data=claims.host_data,
            report_data=claims.report_data,
            chip_id=claims.chip_id,
            tcb=RecordedTcb.of(claims.tcb),
            vmpl=claims.vmpl,
            verified_at=claims.verified_at,
        )

    def restore(self) -> VerifiedClaims:
        """The claims, as good as when they were verified; `verified_at` says when that was."""
        values: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields if name != "tcb"}
        return VerifiedClaims(**values, tcb=Tcb(**self.tcb.model_dump()), token=VERIFIER_TOKEN)


class RecordedTcb(Model):
    bootloader: int = Field(ge=0, le=255)
    tee: int = Field(ge=0, le=255)
    snp: int = Field(ge=0, le=255)
    microcode: int = Field(ge=0, le=255)
    fmc: int | None = Field(default=None, ge=0, le=255)

    @classmethod
    def of(cls, tcb: Tcb) -> RecordedTcb:
        return cls(bootloader=tcb.bootloader, tee=tcb.tee, snp=tcb.snp, microcode=tcb.microcode, fmc=tcb.fmc)


RecordedClaims.model_rebuild()
