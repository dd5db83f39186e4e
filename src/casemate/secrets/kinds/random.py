"""`random`: bytes that nobody chose, as text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import Field

from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.fields import b64u_encode
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "RandomSpec"]

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class RandomSpec(Spec):
    """At least 16 bytes: what is guessed at leisure needs 128 bits."""

    kind: Literal["random"]
    bytes: Annotated[int, Field(ge=16, le=1024)]
    encoding: Literal["base64url", "hex", "base64", "alphanumeric"] = "base64url"


class _Random(Lasting):
    schema = SecretSchema("random", RandomSpec, {"value": True}, no_issuer)

    def generate(self, spec: RandomSpec, making: Making) -> Material:
        return {"value": _encoded(spec, making.random)}


def _encoded(spec: RandomSpec, random: Callable[[int], bytes]) -> bytes:
    match spec.encoding:
        case "base64url":
            return b64u_encode(random(spec.bytes)).encode()
        case "hex":
            return random(spec.bytes).hex().encode()
        case "base64":
            return base64.b64encode(random(spec.bytes))
        case "alphanumeric":
            return _alphanumeric(spec.bytes, random)


def _alphanumeric(strength: int, random: Callable[[int], bytes]) -> bytes:
    """As many characters as hold `strength` bytes (5.95 bits each), without bias."""
    wanted = -(-strength * 8 * 100 // 595)
    text = bytearray()
    while len(text) < wanted:
        # 248 is the largest multiple of 62 below 256: what lies above would favour the first letters.
        text += bytes(_ALPHABET[byte % 62] for byte in random(wanted) if byte < 248)
    return bytes(text[:wanted])


KIND: Final = _Random()
