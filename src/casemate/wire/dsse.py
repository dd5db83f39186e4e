"""DSSE envelopes: signatures over bytes and what they are for (spec/protocol.md, "DSSE"; DSSE v1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from casemate.errors import MalformedError, SignatureError
from casemate.wire import canonical
from casemate.wire.binding import key_bytes, signing_key_text
from casemate.wire.fields import Model, SigningKeyText

__all__ = ["INSTANCE_TYPE", "MAX_SIGNATURES", "POLICY_TYPE", "Envelope", "Signature", "open_envelope", "sign_envelope"]

POLICY_TYPE: Final = "application/vnd.casemate.policy.v1+json"
INSTANCE_TYPE: Final = "application/vnd.casemate.instance.v1+json"

MAX_SIGNATURES: Final = 64
"""As many as a rule can have members; each costs a verification."""


class Signature(Model):
    keyid: SigningKeyText
    sig: Annotated[str, Field(min_length=88, max_length=88)]


class Envelope(Model):
    """`payload` is standard base64 with padding."""

    payloadType: str  # noqa: N815 - DSSE names it so
    payload: str
    signatures: Annotated[list[Signature], Field(min_length=1, max_length=MAX_SIGNATURES)]


def sign_envelope(payload_type: str, value: object, keys: Sequence[Ed25519PrivateKey]) -> Envelope:
    """An envelope over canonical(value), signed by each of `keys`."""
    payload = canonical.encode(value)
    to_sign = _pae(payload_type, payload)
    signatures = [
        Signature(
            keyid=signing_key_text(key.public_key().public_bytes_raw()),
            sig=base64.b64encode(key.sign(to_sign)).decode(),
        )
        for key in keys
    ]
    return Envelope(payloadType=payload_type, payload=base64.b64encode(payload).decode(), signatures=signatures)


def open_envelope(
    envelope: Envelope, payload_type: str, *, limit: int = canonical.DEFAULT_LIMIT
) -> tuple[Any, frozenset[str]]:
    """The payload's value and the keys that signed it.

    Every signature must verify: one bad one means that somebody tampered. `MalformedError`, `NotCanonicalError`,
    `TooLargeError`, `SignatureError`. The caller still decides whether these keys may.
    """
    # 1. The type is the one asked for: a signature for one purpose never serves another.
    if envelope.payloadType != payload_type:
        raise SignatureError("signed for another purpose", step="dsse.type", expected=payload_type)
    # 2. One signature a key, so that a key never counts twice.
    keys = [signature.keyid for signature in envelope.signatures]
    if len(set(keys)) != len(keys):
        raise SignatureError("a key signed twice", step="dsse.keys")
    # 3. Each signature is over type and payload.
    payload = _base64(envelope.payload)
    signed = _pae(payload_type, payload)
    for signature in envelope.signatures:
        _verify(signature, signed)
    # 4. The payload is canonical, so that its hash means one content.
    return canonical.decode_canonical(payload, limit=limit), frozenset(keys)


def _verify(signature: Signature, signed: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key_bytes(signature.keyid)).verify(_base64(signature.sig), signed)
    except InvalidSignature as error:
        raise SignatureError("a signature does not verify", step="dsse.signature", got=signature.keyid) from error


def _pae(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not base64", step="encoding.base64") from error
    if base64.b64encode(data).decode() != text:
        raise MalformedError("base64 with stray bits at its end", step="encoding.base64")
    return data
