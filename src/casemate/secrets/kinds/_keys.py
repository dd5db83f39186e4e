"""Asymmetric keys of the algorithms that secrets can have."""

from __future__ import annotations

from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from casemate.errors import SecretError

__all__ = ["Algorithm", "PrivateKey", "generate_key", "load_key", "private_pem", "public_pem"]

Algorithm = Literal["ed25519", "p256", "p384", "rsa3072"]
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_RSA_BITS: Final = 3072


def generate_key(algorithm: Algorithm) -> PrivateKey:
    """From the library's own random source. RSA takes some tenths of a second."""
    match algorithm:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa3072":
            return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)


def load_key(pem: bytes) -> PrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, PrivateKey):
        raise SecretError("a stored key is of an unknown algorithm", step="secrets.key")
    return key


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
