"""Claims of evidence that verified earlier, kept to be judged again (spec/protocol.md, "Leases").

Whoever restores claims vouches that the record comes from where only it could have put it: the custodian reads it
from its sealed store. Nothing that arrives from outside is ever a `RecordedClaims`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.wire.fields import MAX_INTEGER, Bytes, Model, Time

__all__ = ["RecordedClaims"]

_MAX_NAMED: Final = 64
_MAX_ADVISORIES: Final = 256

SecurityVersion = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class RecordedClaims(Model):
    """`VerifiedClaims` as a record; `details` are left out, since nothing in them decides."""

    platform: str
    product: str
    runtime_measurement: str
    manifest: Bytes
    report_data: Bytes
    hardware: Bytes
    tcb: Annotated[dict[str, SecurityVersion], Field(max_length=32)]
    values: Annotated[dict[str, str], Field(max_length=_MAX_NAMED)]
    tcb_status: str | None = None
    advisories: Annotated[list[str], Field(max_length=_MAX_ADVISORIES)]
    lacks: Annotated[list[str], Field(max_length=8)]
    verified_at: Time

    @classmethod
    def of(cls, claims: VerifiedClaims) -> RecordedClaims:
        return cls(
            platform=claims.platform,
            product=claims.product,
            runtime_measurement=claims.runtime_measurement,
            manifest=claims.manifest,
            report_data=claims.report_data,
            hardware=claims.hardware,
            tcb=dict(claims.tcb),
            values=dict(claims.values),
            tcb_status=claims.tcb_status,
            advisories=list(claims.advisories),
            lacks=sorted(claims.lacks),
            verified_at=claims.verified_at,
        )

    def restore(self) -> VerifiedClaims:
        """The claims, as good as when they were verified; `verified_at` says when that was."""
        values: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        values |= {"advisories": tuple(self.advisories), "lacks": frozenset(self.lacks)}
        return VerifiedClaims(**values, token=VERIFIER_TOKEN)
