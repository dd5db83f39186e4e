"""Keys by name: the same name gives the same key, in every process. They protect nothing."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

__all__ = ["ec_key", "rsa_key"]

_PRIMES: Final = {
    ("root", 1024): (839, 926),
    ("maker", 1024): (866, 1030),
    ("stranger", 1024): (410, 1651),
    ("key", 1024): (1006, 2314),
    ("another key", 1024): (1242, 1885),
    ("weak", 512): (109, 299),
}
"""Which of a name's numbers are its first two primes: to look for them takes seconds."""


@cache
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()[:31], "big"), curve())


@cache
def rsa_key(name: str, bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Exponents may be 3 and 65,537."""
    p, q = (_candidate(name, bits // 2, number) for number in _PRIMES[name, bits // 2])
    d = pow(exponent, -1, (p - 1) * (q - 1))
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(exponent, p * q)).private_key()


def _candidate(name: str, bits: int, number: int) -> int:
    """Odd, and so large that the product of two has twice the bits."""
    seed = hashlib.shake_256(f"{name} {bits} {number}".encode()).digest(bits // 8)
    return int.from_bytes(seed, "big") | 3 << bits - 2 | 1
