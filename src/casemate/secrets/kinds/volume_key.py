"""`volume-key`: the 32 bytes that a sealed volume or image is encrypted under."""

from __future__ import annotations

from typing import Final, Literal

from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.fields import b64u_encode
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "VolumeKeySpec"]

_BYTES: Final = 32


class VolumeKeySpec(Spec):
    kind: Literal["volume-key"]


class _VolumeKey(Lasting):
    schema = SecretSchema("volume-key", VolumeKeySpec, {"value": True}, no_issuer)

    def generate(self, _spec: VolumeKeySpec, making: Making) -> Material:
        return {"value": b64u_encode(making.random(_BYTES)).encode()}


KIND: Final = _VolumeKey()
