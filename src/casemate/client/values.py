"""The owner's side of secrets of kind `value` (spec/policy.md): a commitment, and the value sealed to the custodian."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import b64u_encode
from casemate.wire.sealing import seal, value_commitment, value_info

__all__ = ["SealedValue", "seal_value"]


@dataclass(frozen=True)
class SealedValue:
    """`commitment` goes into the document, `sealed` beside the envelope."""

    commitment: str
    sealed: bytes


def seal_value(value: bytes, *, name: str, custodian: str, genesis: str, sealing_key: str) -> SealedValue:
    """Salted, so that the commitment gives nothing away about a value that could be guessed."""
    salt = secrets.token_bytes(32)
    commitment = sha256_text(value_commitment(salt, value))
    info = value_info(custodian=custodian, genesis=genesis, name=name, commitment=commitment)
    plaintext = canonical.encode({"value": b64u_encode(value), "salt": b64u_encode(salt)})
    return SealedValue(commitment, seal(plaintext, sealing_key, info=info))
