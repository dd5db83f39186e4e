"""`volume-key`: the 32 bytes that a sealed volume or image is encrypted under.

The custodian makes them; with a `commitment` their owner brings them, sealed as a `value` is: an image was encrypted
before any custodian heard of it.
"""

from __future__ import annotations

from typing import Final, Literal

from casemate.errors import SecretError
from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.fields import Sha256, b64u_encode
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "VolumeKeySpec"]

_BYTES: Final = 32


class VolumeKeySpec(Spec):
    kind: Literal["volume-key"]
    commitment: Sha256 | None = None


class _VolumeKey(Lasting):
    schema = SecretSchema("volume-key", VolumeKeySpec, {"value": True}, no_issuer)

    def generate(self, spec: VolumeKeySpec, making: Making) -> Material:
        key = making.random(_BYTES) if spec.commitment is None else making.value(spec.commitment)
        if len(key) != _BYTES:
            raise SecretError(
                f"{making.name} is no key: it has another length",
                step="secrets.key",
                expected=f"{_BYTES} bytes",
                got=f"{len(key)} bytes",
                remedy="seal the key's bytes, not their text",
            )
        return {"value": b64u_encode(key).encode()}

    def may_become(self, old: VolumeKeySpec, new: VolumeKeySpec) -> bool:
        """Another key that its owner brings comes with it: nobody does that by accident."""
        return new.commitment is not None and new.commitment != old.commitment


KIND: Final = _VolumeKey()
