"""What vectors are made of: keys that follow from names, encodings, and the form of a file."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

__all__ = [
    "Case",
    "b64",
    "b64u",
    "bind",
    "canonical",
    "digest",
    "hpke_key",
    "hpke_text",
    "key_text",
    "raw_digest",
    "raw_key",
    "render",
    "seed",
    "sha256",
    "signing_key",
]

Case = dict[str, object]


def render(about: str, **content: object) -> str:
    """A file. What does not show in an editor is escaped."""
    return json.dumps({"about": about, **content}, indent=1, ensure_ascii=True) + "\n"


def seed(name: str) -> bytes:
    """32 bytes that follow from `name`."""
    return sha256(f"casemate vectors: {name}".encode())


def signing_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def key_text(name: str) -> str:
    return f"ed25519:{b64u(signing_key(name).public_key().public_bytes_raw())}"


def hpke_key(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(seed(name))


def hpke_text(name: str) -> str:
    return f"x25519:{b64u(hpke_key(name).public_key().public_bytes_raw())}"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def digest(name: str) -> str:
    """`sha256:…` of nothing in particular."""
    return f"sha256:{seed(name).hex()}"


def raw_digest(text: str) -> bytes:
    return bytes.fromhex(text.partition(":")[2])


def raw_key(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.partition(":")[2] + "=")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bind(*parts: bytes) -> bytes:
    """Each part with its length before it, 4 bytes, big-endian."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def canonical(value: object) -> bytes:
    """RFC 8785, for values whose names are ASCII and whose numbers are whole."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
