"""Length-prefixed binding of several values into one, and what is made with it.

`bind(a, b)` never equals `bind(c, d)` for other parts: each part carries its length (4 bytes, big-endian).
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from casemate.errors import MalformedError
from casemate.wire.fields import b64u_decode, b64u_encode

__all__ = [
    "RELEASE_INFO_LABEL",
    "Purpose",
    "bind",
    "digest_bytes",
    "hpke_key_text",
    "key_bytes",
    "release_info",
    "report_data",
    "sha256_text",
    "signing_key_text",
    "volume_info",
]

RELEASE_INFO_LABEL: Final = b"casemate/release/v1"


class Purpose(StrEnum):
    """Why evidence was made. Part of the report data, so that evidence for one purpose never serves another."""

    RELEASE = "casemate/release/v1"
    RA_TLS = "casemate/ra-tls/v1"
    CUSTODIAN = "casemate/custodian/v1"


def bind(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def sha256_text(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_bytes(text: str) -> bytes:
    """32 or 48 raw bytes of a `sha256:…` or `sha384:…` text."""
    kind, _, digits = text.partition(":")
    length = {"sha256": 64, "sha384": 96}.get(kind)
    if length != len(digits) or digits.strip("0123456789abcdef"):
        raise MalformedError("not a digest", step="encoding.digest", expected="sha256:… or sha384:… in lower case")
    return bytes.fromhex(digits)


def key_bytes(text: str) -> bytes:
    """32 raw bytes of an `ed25519:…` or `x25519:…` public key."""
    kind, _, encoded = text.partition(":")
    data = b64u_decode(encoded)
    if kind not in {"ed25519", "x25519"} or len(data) != 32:
        raise MalformedError("not a public key", step="encoding.key", expected="ed25519:… or x25519:…, 43 characters")
    return data


def signing_key_text(raw: bytes) -> str:
    return f"ed25519:{b64u_encode(raw)}"


def hpke_key_text(raw: bytes) -> str:
    return f"x25519:{b64u_encode(raw)}"


def report_data(
    purpose: Purpose, *, custodian: str, nonce: bytes, signing_key: str, hpke_key: str, manifest: str
) -> bytes:
    """64 bytes, as spec/evidence.md, "Report data"."""
    parts = (
        purpose.value.encode(),
        digest_bytes(custodian),
        nonce,
        key_bytes(signing_key),
        key_bytes(hpke_key),
        digest_bytes(manifest),
    )
    return hashlib.sha512(bind(*parts)).digest()


def release_info(
    *, custodian: str, nonce: bytes, manifest: str, policy_genesis: str, policy_version: str, signing_key: str
) -> bytes:
    """HPKE `info` of a released configuration: spec/protocol.md, "Attestation and release"."""
    return bind(
        RELEASE_INFO_LABEL,
        digest_bytes(custodian),
        nonce,
        digest_bytes(manifest),
        digest_bytes(policy_genesis),
        digest_bytes(policy_version),
        key_bytes(signing_key),
    )


def volume_info(
    *, custodian: str, nonce: bytes, policy_genesis: str, policy_version: str, volume: str, mode: str, signing_key: str
) -> bytes:
    """HPKE `info` of a volume's key for a person: spec/protocol.md, "Volumes by hand"."""
    return bind(
        b"casemate/volume-by-hand/v1",
        digest_bytes(custodian),
        nonce,
        digest_bytes(policy_genesis),
        digest_bytes(policy_version),
        volume.encode(),
        mode.encode(),
        key_bytes(signing_key),
    )
