"""Anchors of sealed volumes: what a shield asks with its lease, and what it is told (spec/protocol.md, "Volumes")."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from casemate.wire.fields import (
    MAX_INTEGER,
    Bytes,
    Bytes16,
    Bytes32,
    FormatOne,
    HpkeKeyText,
    LoanMode,
    Model,
    Sha256,
    SigningKeyText,
    VolumeName,
)
from casemate.wire.release import Lease, PolicyReference

__all__ = [
    "UNINITIALISED",
    "ReleasedVolume",
    "Unsigned",
    "VolumeAnswer",
    "VolumeLeaseAnswer",
    "VolumeLeaseRequest",
    "VolumeRead",
    "VolumeRecord",
    "VolumeRekey",
    "VolumeRelease",
    "VolumeRequest",
    "VolumeSet",
]

_MAX: Final = 2**64 - 1
_DECIMAL: Final = r"^(0|[1-9][0-9]{0,19})$"
_NUMBER: Final = re.compile(_DECIMAL)


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text) or int(text) > _MAX:
        raise ValueError("expected a number of 64 bits in decimal digits, as text")
    return text


Unsigned = Annotated[str, AfterValidator(_number), WithJsonSchema({"type": "string", "pattern": _DECIMAL})]
"""64 bits: as text, because JSON numbers end at 2⁵³ on their way through many parsers."""

_NO_ROOT: Final = "sha256:" + "0" * 64


class VolumeRecord(Model):
    """What an anchor remembers (spec/volume-format.md, "Anchor and root")."""

    volume: Bytes16
    state: Literal["uninitialised", "active", "retired"]
    generation: Unsigned
    root: Sha256
    fence: Unsigned

    @model_validator(mode="after")
    def _nothing_is_nothing(self) -> VolumeRecord:
        facts = (self.volume, self.generation, self.root, self.fence)
        if self.state == "uninitialised" and facts != (bytes(16), "0", _NO_ROOT, "0"):
            raise ValueError("nothing is known of a volume that was never written")
        return self


UNINITIALISED: Final = VolumeRecord(volume=bytes(16), state="uninitialised", generation="0", root=_NO_ROOT, fence="0")
"""Of a volume that nobody wrote yet."""


class VolumeRead(Model):
    """Nothing more is asked; a reader is remembered until its lease ends."""


class VolumeSet(Model):
    """`new` in place of `expected`, and only in place of that."""

    expected: VolumeRecord
    new: VolumeRecord


class VolumeRelease(Model):
    """Nothing more is said: whoever holds the volume, or reads it, does so no longer."""


class VolumeRequest(Model):
    """Exactly one of the three."""

    read: VolumeRead | None = None
    set_: Annotated[VolumeSet | None, Field(alias="set")] = None
    release: VolumeRelease | None = None

    @model_validator(mode="after")
    def _one(self) -> VolumeRequest:
        if sum(part is not None for part in (self.read, self.set_, self.release)) != 1:
            raise ValueError("exactly one of read, set and release")
        return self


class VolumeRekey(Model):
    """`new`, the anchor of what was written under the next key, in place of `expected`; the old key is forgotten."""

    expected: VolumeRecord
    new: VolumeRecord


class VolumeAnswer(Model):
    """`record` is what the anchor holds now. `oldest_reader` is told to writers: the oldest generation that is read."""

    outcome: Literal["current", "set", "conflict", "released", "rekeyed"]
    record: VolumeRecord
    oldest_reader: Unsigned | None = None


class VolumeLeaseRequest(Model):
    """A person's wish to have a volume by hand. The two keys are made for it, and nobody else's."""

    nonce: Bytes32
    mode: LoanMode
    signing_key: SigningKeyText
    hpke_key: HpkeKeyText


class VolumeLeaseAnswer(Model):
    """`volume` is a `ReleasedVolume`, sealed to the key of the request."""

    decision: str
    policy: PolicyReference
    lease: Lease
    volume: Bytes


class ReleasedVolume(Model):
    """What a person gets, sealed; print nothing of it. `interval_ms` is there exactly with freshness `interval`,
    `next_key` exactly with mode `rekey`.
    """

    casemate_volume: FormatOne
    volume: VolumeName
    mode: LoanMode
    freshness: Literal["strict", "interval", "none"]
    root: Literal["tag", "hash"]
    interval_ms: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    key: Annotated[Bytes32, Field(repr=False)]
    next_key: Annotated[Bytes32 | None, Field(repr=False)] = None

    @model_validator(mode="after")
    def _next_to_rekey(self) -> ReleasedVolume:
        if (self.mode == "rekey") != (self.next_key is not None) or self.next_key == self.key:
            raise ValueError("a next key, another one, belongs to mode rekey")
        return self
