"""HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; output is enc ‖ ciphertext."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from casemate.errors import MalformedError, SecretError
from casemate.wire.binding import bind, digest_bytes, key_bytes

__all__ = ["open_sealed", "seal", "value_commitment", "value_info"]

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(plaintext: bytes, recipient: str, *, info: bytes) -> bytes:
    """Encrypt to `recipient` (`x25519:…`). `info` binds purpose and context; the opener must name the same."""
    try:
        key = X25519PublicKey.from_public_bytes(key_bytes(recipient))
        return _SUITE.encrypt(plaintext, key, info)
    except ValueError as error:
        # A key of small order gives an all-zero shared secret, which X25519 refuses (RFC 7748 §6.1).
        raise MalformedError("not a key that can be sealed to", step="hpke.key") from error


def open_sealed(sealed: bytes, key: X25519PrivateKey, *, info: bytes) -> bytes:
    """Inverse of `seal`; `SecretError` when it was not sealed to this key for this purpose and context."""
    try:
        return _SUITE.decrypt(sealed, key, info)
    except (InvalidTag, ValueError) as error:
        raise SecretError("cannot be opened: sealed to another key, or for another use", step="hpke.open") from error


def value_info(*, custodian: str, genesis: str, name: str, commitment: str) -> bytes:
    """HPKE `info` of a sealed `value` secret: spec/policy.md, "value"."""
    return bind(
        b"casemate/value/v1", digest_bytes(custodian), digest_bytes(genesis), name.encode(), digest_bytes(commitment)
    )


def value_commitment(salt: bytes, value: bytes) -> bytes:
    """What is hashed for the commitment in the document."""
    return bind(b"casemate/commitment/v1", salt, value)
