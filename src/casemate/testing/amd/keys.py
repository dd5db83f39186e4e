"""Keys of the made-up vendor, by name, made when they are first asked for and kept for the process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["AuthorityKey", "Scheme", "authority_key", "report_key", "sign_report", "small_key"]

AuthorityKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_Key = TypeVar("_Key")

_BITS: Final = 4096
_kept: Final[dict[tuple[str, ...], Any]] = {}


@dataclass(frozen=True)
class Scheme:
    """How an authority with an RSA key signs; AMD's way where nothing is said. `salt` None: PKCS #1 v1.5, not PSS."""

    salt: int | None = 48
    algorithm: type[hashes.SHA256] | type[hashes.SHA384] = hashes.SHA384

    @property
    def padding(self) -> padding.PSS | padding.PKCS1v15:
        if self.salt is None:
            return padding.PKCS1v15()
        return padding.PSS(mgf=padding.MGF1(self.algorithm()), salt_length=self.salt)

    def sign(self, key: AuthorityKey, signed: bytes) -> bytes:
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(signed, self.padding, self.algorithm())
        return key.sign(signed, ec.ECDSA(self.algorithm()))


def authority_key(name: str) -> rsa.RSAPrivateKey:
    """RSA of 4,096 bits, as AMD's authorities have."""
    return _key(("authority", name), lambda: rsa.generate_private_key(public_exponent=65537, key_size=_BITS))


def small_key(name: str) -> rsa.RSAPrivateKey:
    """RSA of half the bits."""
    return _key(("small", name), lambda: rsa.generate_private_key(public_exponent=65537, key_size=_BITS // 2))


def report_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP384R1) -> ec.EllipticCurvePrivateKey:
    return _key(("report", name, curve.__name__), lambda: ec.generate_private_key(curve()))


def sign_report(key: ec.EllipticCurvePrivateKey, signed: bytes) -> tuple[int, int]:
    """ECDSA with SHA-384: (r, s). Deterministic (RFC 6979), so that equal plans give equal reports."""
    return decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA384(), deterministic_signing=True)))


def _key(name: tuple[str, ...], make: Callable[[], _Key]) -> _Key:
    if name not in _kept:
        _kept[name] = make()
    key: _Key = _kept[name]
    return key
