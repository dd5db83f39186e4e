"""From Intel's root to the key that certifies the quoting enclave of one machine: the PCK certificate in a quote.

Verified chains are remembered; times and revocation are looked at again at each use (endorsed.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from casemate.attestation.certificates import Certificate, der_parts
from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.intel.machine import SGX_EXTENSIONS, Machine
from casemate.attestation.platforms.intel.signing import is_signed_by, p256_key
from casemate.errors import EndorsementError

__all__ = ["PckChain", "check_authority", "is_root", "pem_parts", "shipped_root", "trusted_root", "verified_chain"]

_REMEMBERED: Final = 1024
"""Chains of that many machines; beyond it the oldest is verified anew."""

_AUTHORITIES: Final = {"Intel SGX PCK Platform CA": "platform", "Intel SGX PCK Processor CA": "processor"}
_LEAF: Final = "Intel SGX PCK Certificate"
_MAX_PEM_BYTES: Final = 64 * 1024
_MAX_CHAIN_BYTES: Final = 8 * 1024
"""Of the three in a quote, which have 4 KB: opinions on a quote are remembered with it."""


@dataclass(frozen=True, eq=False)
class PckChain:
    """`certificates`: root, authority, machine. `key`, the last one's, signs reports of the quoting enclave. `kind` of
    the authority is `platform` or `processor`. The same certificates have one instance, while they are remembered.
    """

    certificates: tuple[Certificate, Certificate, Certificate]
    key: ec.EllipticCurvePublicKey
    machine: Machine
    kind: str


def trusted_root(roots: Roots) -> bytes:
    """DER. Errors: EndorsementError."""
    if not roots.intel:
        raise _bad("no root that is trusted here stands behind this quote", "evidence.root")
    return shipped_root().der


@lru_cache(maxsize=1)
def shipped_root() -> Certificate:
    """Intel SGX Root CA: a file of this package."""
    folder = files("casemate.attestation.platforms.intel").joinpath("roots")
    return Certificate.parse(folder.joinpath("sgx-root.pem").read_bytes(), "shipped root")


def verified_chain(pem: bytes, root: bytes) -> PckChain:
    """`pem`: machine, authority, root. `root`: DER of the one that the caller trusts; its key counts, not its bytes.

    Errors: EndorsementError.
    """
    # Remembered by what was signed: where the lines of PEM end, anybody may choose.
    return _verified(tuple(pem_parts(pem, _MAX_CHAIN_BYTES)), root)


@lru_cache(maxsize=_REMEMBERED)
def _verified(ders: tuple[bytes, ...], root: bytes) -> PckChain:
    parts = [Certificate.parse(der, "certificate of the quote") for der in ders]
    if len(parts) != 3:
        raise _bad("a quote brings three certificates", "evidence.pck", "machine, authority, root", str(len(parts)))
    leaf, authority, top = parts
    if not is_root(top, Certificate.parse(root, "trusted root")):
        raise _bad("no root that is trusted here stands behind this quote", "evidence.root", got=top.fingerprint)
    kind = _AUTHORITIES.get(authority.common_name)
    if kind is None:
        raise _bad("no authority for PCK certificates", "evidence.chain", " or ".join(_AUTHORITIES))
    check_authority(authority, top)
    if leaf.common_name != _LEAF or not is_signed_by(leaf, authority):
        raise _bad("the authority did not sign the machine's certificate", "evidence.chain")
    key = p256_key(leaf)
    if leaf.authority or leaf.signs_certificates or key is None:
        raise _bad("the machine's certificate is no P-256 key that signs reports", "evidence.pck")
    extension = leaf.extensions.get(SGX_EXTENSIONS)
    if extension is None:
        raise _bad("the machine's certificate does not say which machine", "evidence.pck")
    return PckChain((top, authority, leaf), key, Machine.parse(extension), kind)


def is_root(certificate: Certificate, trusted: Certificate) -> bool:
    """The trusted one, or one that Intel issued for the same key: both sign themselves."""
    same = _point(certificate) == _point(trusted) and certificate.subject == trusted.subject
    return same and is_signed_by(certificate, certificate)


def check_authority(authority: Certificate, root: Certificate) -> None:
    """Errors: EndorsementError."""
    if not (root.authority and root.signs_certificates and root.signs_lists and root.path_length != 0):
        raise _bad("the root may not sign authorities and revocation lists", "evidence.chain")
    if not is_signed_by(authority, root):
        raise _bad("the root did not sign the authority's certificate", "evidence.chain")
    if not (authority.authority and authority.signs_certificates and authority.signs_lists):
        raise _bad("the authority may not sign certificates and revocation lists", "evidence.chain")


def pem_parts(pem: bytes, most: int = _MAX_PEM_BYTES) -> list[bytes]:
    """DER of each certificate, where nothing else is between them. Quoting libraries of C end the text with a zero.

    Errors: EndorsementError.
    """
    if len(pem) > most:
        raise _bad("too many certificates", "evidence.pck", f"≤ {most} bytes", str(len(pem)))
    try:
        return der_parts(pem.removesuffix(b"\0"))
    except ValueError as error:
        raise _bad("certificates that are no PEM", "evidence.pck") from error


def _point(certificate: Certificate) -> bytes | None:
    key = p256_key(certificate)
    return None if key is None else key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _bad(message: str, step: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step=step, expected=expected, got=got)
