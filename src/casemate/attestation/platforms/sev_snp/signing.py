"""How AMD signs certificates and revocation lists.

Profile (VCEK specification 57230, "Certificates"): RSA keys of 4,096 bits that sign with RSASSA-PSS (SHA-384, MGF1 with
SHA-384, 48 bytes of salt), and P-384 keys that sign reports. The rest follows RFC 5280.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from casemate.attestation.certificates import Certificate

__all__ = ["is_signed_by", "signature_holds"]

_RSA_BITS: Final = 4096
_SALT_BYTES: Final = 48


def is_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Names chain, and the issuer's key signed it."""
    return certificate.issuer == issuer.subject and signature_holds(issuer, certificate.signed, certificate.signature)


def signature_holds(issuer: Certificate, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` is one of AMD's profile, by the issuer's key, whatever the bytes say of their algorithm."""
    key = issuer.key
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _RSA_BITS:
        return False
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=_SALT_BYTES)
    try:
        key.verify(signature, signed, pss, hashes.SHA384())
    except InvalidSignature:
        return False
    return True
