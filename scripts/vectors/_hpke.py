"""HPKE (RFC 9180), base mode, written out: with a fixed ephemeral key the same bytes come out every time.

DHKEM(X25519, HKDF-SHA256) = 0x0020, HKDF-SHA256 = 0x0001; the AEAD is a parameter, for ciphertexts of another suite.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

__all__ = ["AES_256_GCM", "CHACHA20_POLY1305", "seal"]

AES_256_GCM = 0x0002
CHACHA20_POLY1305 = 0x0003
_KEM, _KDF = 0x0020, 0x0001


def seal(
    plaintext: bytes,
    recipient: X25519PublicKey,
    *,
    info: bytes,
    ephemeral: X25519PrivateKey,
    aad: bytes = b"",
    aead: int = AES_256_GCM,
) -> bytes:
    """enc ‖ ciphertext."""
    enc = ephemeral.public_key().public_bytes_raw()
    shared = _encapsulate(ephemeral.exchange(recipient), enc + recipient.public_bytes_raw())
    key, nonce = _schedule(shared, info, aead)
    cipher = AESGCM(key) if aead == AES_256_GCM else ChaCha20Poly1305(key)
    return enc + cipher.encrypt(nonce, plaintext, aad)


def _encapsulate(secret: bytes, context: bytes) -> bytes:
    """§4.1, ExtractAndExpand."""
    suite = b"KEM" + _KEM.to_bytes(2, "big")
    return _expand(suite, _extract(suite, b"", b"eae_prk", secret), b"shared_secret", context, 32)


def _schedule(shared: bytes, info: bytes, aead: int) -> tuple[bytes, bytes]:
    """§5.1, KeySchedule with mode_base, empty psk and psk_id: key and base nonce, which is the nonce of message 0."""
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (_KEM, _KDF, aead))
    context = b"\x00" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, shared, b"secret", b"")
    return _expand(suite, secret, b"key", context, 32), _expand(suite, secret, b"base_nonce", context, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand for at most one block of SHA-256."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labeled + b"\x01", "sha256")[:length]
