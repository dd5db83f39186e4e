"""From a root that the caller trusts to the certificate of a TPM's key.

Google signs with RSA keys of at least 2,048 bits, RSASSA-PKCS1-v1_5 and SHA-256; each of its authorities publishes a
list of what it revoked. Verified chains are remembered; times and floors are checked again at each use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from casemate.attestation.certificates import Certificate, check_covers
from casemate.attestation.platforms.tpm.key import spki_of
from casemate.attestation.platforms.tpm.machine import certified_machine
from casemate.attestation.revocation import RevocationList, check_floor, newest_lists
from casemate.errors import EndorsementError

__all__ = [
    "MAX_CERTIFICATES_BYTES",
    "UNDERSTOOD",
    "Chain",
    "certificates_in",
    "is_for",
    "shipped_roots",
    "verified_chain",
]

MAX_CERTIFICATES_BYTES: Final = 16 * 1024
"""A chain of Google's has 5 KB."""
UNDERSTOOD: Final = (x509.SubjectAlternativeName,)
"""Of a TPM's certificate, critical where its subject is empty: maker and model of the TPM (TCG EK Credential Profile
2.5, section 3.1.2). Who the key belongs to is judged by the key."""

_AUTHORITIES: Final = 4
"""That many at most above a key: Google has two."""
_REMEMBERED: Final = 256
_RSA_BITS: Final = 2048
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_ROOTS: Final = ("google-ek-2018.pem", "google-ek-ak-2022.pem")


@dataclass(frozen=True)
class Chain:
    """`certificates` from the root down to the key's; `lists` of their authorities, by fingerprint. `lacks_lists`:
    not each authority has one, which the caller excused. `machine`: which one the key was certified for.
    """

    certificates: tuple[Certificate, ...]
    lists: Mapping[str, RevocationList]
    lacks_lists: bool
    machine: Mapping[str, str]

    def check_times(self, at: datetime) -> None:
        """Errors: EndorsementError."""
        for certificate in self.certificates:
            check_covers(certificate.start, certificate.end, at, certificate.common_name or "key's certificate")
        for found in self.lists.values():
            check_covers(found.start, found.end, at, "revocation list")

    def check_floors(self, floors: Mapping[str, int]) -> None:
        """Errors: EndorsementError."""
        for authority in self.certificates[:-1]:
            check_floor(self.lists.get(authority.fingerprint), floors.get(authority.fingerprint))


@lru_cache(maxsize=_REMEMBERED)
def verified_chain(
    certificates: bytes, lists: tuple[bytes, ...], spki: bytes, roots: tuple[bytes, ...], *, without_lists: bool
) -> Chain:
    """The chain to the key of `spki` from one of `roots` (DER), whatever the time is. Errors: EndorsementError."""
    brought = certificates_in(certificates)
    leaf = next((one for one in brought if is_for(one, spki)), None)
    if leaf is None:
        raise _bad(
            "no certificate of the key that made the quote",
            "evidence.certificates",
            remedy="bring the certificate of this very key; one of another key of the TPM (EK) says nothing of it",
        )
    if leaf.authority or leaf.signs_certificates or not leaf.signs_data:
        raise _bad("the key's certificate is none of a key that signs quotes", "evidence.chain")
    chain = _up_from(leaf, brought, [Certificate.parse(root, "root") for root in roots])
    found = newest_lists(lists, chain[:-1], _holds)
    lacking = [one.common_name for one in chain[:-1] if one.fingerprint not in found]
    if lacking and not without_lists:
        raise _bad(
            "no revocation list of an authority of the chain",
            "evidence.crl",
            expected=", ".join(lacking),
            remedy="bring the lists that the certificates name: absence never means acceptance",
        )
    for certificate in chain[1:]:
        if any(one.revokes(certificate) for one in found.values()):
            raise _bad("a certificate of the chain is revoked", "evidence.revoked", got=str(certificate.serial))
    return Chain(chain, found, bool(lacking), certified_machine(leaf.extensions))


@lru_cache(maxsize=1)
def shipped_roots() -> tuple[bytes, ...]:
    """DER of Google's, for TPMs: files of this package, valid from 2018 to 2118 and from 2022 to 2122."""
    folder = files("casemate.attestation.platforms.tpm").joinpath("roots")
    return tuple(Certificate.parse(folder.joinpath(name).read_bytes(), "shipped root").der for name in _ROOTS)


def certificates_in(data: bytes) -> list[Certificate]:
    """Of PEM, one after the other. Errors: EndorsementError."""
    if len(data) > MAX_CERTIFICATES_BYTES:
        raise _bad("too many certificates", "evidence.certificates", expected=f"≤ {MAX_CERTIFICATES_BYTES} bytes")
    found = _PEM.findall(data)
    if not found or _PEM.sub(b"", data).strip():
        raise _bad("something else than certificates in PEM", "evidence.certificates")
    return [Certificate.parse(one, "certificate", understood=UNDERSTOOD) for one in found]


def is_for(certificate: Certificate, spki: bytes) -> bool:
    key = certificate.key
    return isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and spki_of(key) == spki


def _up_from(
    leaf: Certificate, brought: Sequence[Certificate], roots: Sequence[Certificate]
) -> tuple[Certificate, ...]:
    """From the root down. Each is signed by the one above, which may sign certificates and that many below it."""
    chain = [leaf]
    while len(chain) <= _AUTHORITIES:
        named = [one for one in (*roots, *brought) if one.subject == chain[0].issuer]
        if not named:
            break
        above = next((one for one in named if _holds(one, chain[0].signed, chain[0].signature)), None)
        if above is None:
            raise _bad("a certificate that the authority it names did not sign", "evidence.chain")
        _check_authority(above, len(chain) - 1)
        chain.insert(0, above)
        if above in roots:
            return tuple(chain)
    raise _bad(
        "no root that is trusted here stands behind this key",
        "evidence.root",
        got=chain[0].common_name,
        remedy="bring the certificates between key and root along; a key of another maker's TPM can be pinned by name",
    )


def _check_authority(issuer: Certificate, below: int) -> None:
    """`below`: how many authorities follow it."""
    if not issuer.may_certify(below):
        raise _bad("a certificate of the chain may not sign the next one", "evidence.chain", got=issuer.common_name)


def _holds(issuer: Certificate, signed: bytes, signature: bytes) -> bool:
    key = issuer.key
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _RSA_BITS:
        return False
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _bad(
    message: str, step: str, *, expected: str | None = None, got: str | None = None, remedy: str | None = None
) -> EndorsementError:
    return EndorsementError(message, step=step, expected=expected, got=got, remedy=remedy)
