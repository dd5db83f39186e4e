"""How Intel signs: ECDSA P-256 with SHA-256, in certificates and lists in DER (RFC 3279 §2.2.3), elsewhere as r ‖ s."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from casemate.attestation.certificates import Certificate

__all__ = ["is_signed_by", "p256_key", "plain_signature_holds", "signature_holds"]

_ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
_NAME: Final = "1.2.840.10045.4.3.2"
_HALF: Final = 32


def p256_key(certificate: Certificate) -> ec.EllipticCurvePublicKey | None:
    """Its key, if it is of that curve."""
    key = certificate.key
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1) else None


def is_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Names chain, and the issuer's key signed it. What the signature does not cover is as it must be: its algorithm's
    name, and that it is a string of whole bytes.
    """
    spelled = certificate.algorithm == _NAME and certificate.der.endswith(b"\0" + certificate.signature)
    signed = certificate.issuer == issuer.subject and spelled
    return signed and signature_holds(issuer, certificate.signed, certificate.signature)


def signature_holds(issuer: Certificate, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` is one of Intel's profile, by the issuer's key, whatever the bytes say of their algorithm."""
    key = p256_key(issuer)
    return key is not None and _holds(key, signed, signature)


def plain_signature_holds(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    """`signature` is r ‖ s, 32 bytes each, big-endian."""
    r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    return len(signature) == 2 * _HALF and _holds(key, signed, encode_dss_signature(r, s))


def _holds(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed, _ALGORITHM)
    except InvalidSignature:
        return False
    return True
