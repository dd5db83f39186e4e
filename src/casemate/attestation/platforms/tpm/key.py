"""The key that signs quotes: its numbers as a key, and what it may be.

Keys change seldom and quotes come by the hundred a second: those seen last are remembered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from casemate.attestation.platforms.tpm.structures import Public, Signature
from casemate.errors import EvidenceMalformedError, EvidenceRejectedError

__all__ = ["Key", "key_of", "spki_of"]

_REMEMBERED: Final = 256
_LEAST_RSA_BITS: Final = 2048
_EXPONENT: Final = 65537
_CURVES: Final = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
_HASHES: Final = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}
"""What signatures and names are believed to be of: no SHA-1."""

_MUST: Final = frozenset({"fixedTPM", "fixedParent", "sensitiveDataOrigin", "restricted", "sign"})
_MUST_NOT: Final = frozenset({"decrypt"})


@dataclass(frozen=True)
class Key:
    """`spki` is the DER of its SubjectPublicKeyInfo, `digest` the SHA-256 of that."""

    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = field(repr=False)
    spki: bytes = field(repr=False)
    digest: bytes

    def signed(self, signature: Signature, data: bytes) -> bool:
        algorithm = _HASHES[signature.algorithm]()
        value = signature.value
        try:
            if isinstance(self.public, ec.EllipticCurvePublicKey):
                half = len(value) // 2
                r, s = (int.from_bytes(part, "big") for part in (value[:half], value[half:]))
                self.public.verify(encode_dss_signature(r, s), data, ec.ECDSA(algorithm))
            elif signature.scheme == "rsapss":
                # The salt is as long as the key allows, or as the digest: Part 1, B.7.
                pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.AUTO)
                self.public.verify(value, data, pss, algorithm)
            else:
                self.public.verify(value, data, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=_REMEMBERED)
def key_of(said: Public) -> Key:
    """A key that signs nothing but what its TPM made. Errors: EvidenceError.

    What the key is allowed to do is what its owner says, and is true where somebody vouches for the key.
    """
    if _MUST - said.attributes or _MUST_NOT & said.attributes:
        raise EvidenceRejectedError(
            "the key is none that signs only what its TPM made",
            step="evidence.key",
            expected=", ".join(sorted(_MUST)),
            got=", ".join(sorted(said.attributes)),
            remedy="quote with a restricted signing key that was made in the TPM (tpm2_createak makes one)",
        )
    if said.algorithm not in _HASHES:
        raise _weak("the key has no scheme of its own, or one with a hash that is not believed", said.algorithm)
    public = _public(said)
    spki = spki_of(public)
    return Key(public, spki, hashlib.sha256(spki).digest())


def spki_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public(said: Public) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    first, second = said.numbers
    try:
        if said.curve:
            if said.scheme != "ecdsa":
                raise _weak("a scheme of another kind of key", said.scheme)
            return ec.EllipticCurvePublicNumbers(first, second, _CURVES[said.curve]()).public_key()
        if said.scheme == "ecdsa":
            raise _weak("a scheme of another kind of key", said.scheme)
        if said.bits < _LEAST_RSA_BITS or second != _EXPONENT:
            raise EvidenceRejectedError(
                "a weak RSA key",
                step="evidence.key",
                expected=f"≥ {_LEAST_RSA_BITS} bits, exponent {_EXPONENT}",
                got=f"{said.bits} bits, exponent {second}",
            )
        return rsa.RSAPublicNumbers(second, first).public_key()
    except ValueError as error:
        raise EvidenceMalformedError("numbers that are no key", step="evidence.key") from error


def _weak(message: str, got: str) -> EvidenceRejectedError:
    return EvidenceRejectedError(
        message,
        step="evidence.algorithm",
        expected="RSASSA, RSAPSS or ECDSA with SHA-256 or SHA-384",
        got=got or "none",
        remedy="make the quoting key with a scheme and SHA-256",
    )
