"""What a piece of evidence wants to be endorsed by, and where its vendor publishes that. Names only: nothing is fetched
here, and verification never asks anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from casemate.attestation.certificates import pem_blocks
from casemate.wire.evidence import Endorsements

__all__ = ["Vendor", "Wanted", "concatenated", "nothing"]

Vendor = Literal["amd", "intel", "intel-root"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`name` is where a cache keeps it (`amd/milan/crl.der`), `path` where the vendor's service has it, from its root.

    `chain` is the header in which the answer brings the certificates that signed
    it, and their name in the cache.
    """

    name: str
    vendor: Vendor
    path: str
    chain: tuple[str, str] | None = None


def concatenated(came: bytes, cached: Sequence[bytes]) -> bytes:
    """PEM, one after the other: ours first."""
    blocks = [block for data in cached for block in pem_blocks(data, b"CERTIFICATE")]
    return b"".join([*(block + b"\n" for block in blocks), came])


def nothing(_data: bytes, _came: Endorsements) -> tuple[Wanted, ...]:
    """For evidence that brings everything along."""
    return ()
