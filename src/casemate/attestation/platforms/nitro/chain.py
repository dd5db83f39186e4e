"""From AWS's root to the key of one enclave's module: certificates of a few hours, so there are no revocation lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.certificates import Certificate, p384_key
from casemate.errors import EndorsementError

__all__ = ["Chain", "shipped_root", "verified_chain"]

_ALGORITHM: Final = "1.2.840.10045.4.3.3"
"""ecdsa-with-SHA384 (RFC 5758 §3.2)."""
_REMEMBERED: Final = 256


@dataclass(frozen=True)
class Chain:
    """`certificates` from the root down; `key`, the last one's, signs documents."""

    certificates: tuple[Certificate, ...]
    key: ec.EllipticCurvePublicKey

    def check_times(self, at: datetime) -> None:
        """Errors: EndorsementError."""
        for certificate in self.certificates:
            if not certificate.start <= at <= certificate.end:
                raise EndorsementError(
                    f"{certificate.common_name or 'a certificate'} does not hold at this time",
                    step="evidence.time",
                    expected=f"{certificate.start.isoformat()} to {certificate.end.isoformat()}",
                    got=at.isoformat(),
                    remedy="ask the enclave for a new document: its certificate holds for three hours",
                )


@lru_cache(maxsize=1)
def shipped_root() -> Certificate:
    """AWS Nitro Enclaves Root G1: a file of this package."""
    folder = files("casemate.attestation.platforms.nitro").joinpath("roots")
    return Certificate.parse(folder.joinpath("aws-g1.pem").read_bytes(), "shipped root")


@lru_cache(maxsize=_REMEMBERED)
def verified_chain(bundle: tuple[bytes, ...], leaf: bytes, root: bytes) -> Chain:
    """Root, what lies between, and the key's certificate; each signed by the one before. Times are not looked at.

    `root` is the DER of the one that the caller trusts; `bundle` begins with it. Errors: EndorsementError.
    """
    chain = [Certificate.parse(data, "certificate of the bundle") for data in bundle]
    chain.append(Certificate.parse(leaf, "document's certificate"))
    if chain[0].der != root:
        raise _bad("no root that is trusted here stands behind this document", "evidence.root")
    for depth, (issuer, certificate) in enumerate(pairwise(chain)):
        below = len(chain) - 2 - depth
        _check_authority(issuer, below)
        if certificate.issuer != issuer.subject or not _signed(certificate, issuer):
            raise _bad("a certificate that the one before did not sign", "evidence.chain")
    key = p384_key(chain[-1])
    if chain[-1].authority or key is None:
        raise _bad("the document's certificate is no P-384 key that signs documents", "evidence.report_key")
    return Chain(tuple(chain), key)


def _check_authority(issuer: Certificate, below: int) -> None:
    """`below`: how many authorities follow it."""
    if not issuer.may_certify(below):
        raise _bad("a certificate of the bundle may not sign the next one", "evidence.chain")


def _signed(certificate: Certificate, issuer: Certificate) -> bool:
    key = p384_key(issuer)
    if key is None or certificate.algorithm != _ALGORITHM:
        return False
    try:
        key.verify(certificate.signature, certificate.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def _bad(message: str, step: str) -> EndorsementError:
    return EndorsementError(message, step=step)
