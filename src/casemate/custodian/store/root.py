"""The state root: one number over all rows that changes with every change, in constant time.

A keyed multiset hash (MSet-Add-Hash: Clarke et al., "Incremental multiset hash functions", 2003): the sum, modulo
2²⁵⁶, of HMAC-SHA-256(root key, row). Without the key nobody finds two contents with one root, and only this custodian
has it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from casemate.wire.binding import bind, sha256_text

__all__ = ["MODULUS", "row_term", "state_digest"]

MODULUS: Final = 1 << 256


def row_term(key: bytes, name: str, revision: int, sealed: bytes) -> int:
    """What one row adds to the root."""
    message = bind(name.encode(), revision.to_bytes(8, "big"), hashlib.sha256(sealed).digest())
    return int.from_bytes(hmac.digest(key, message, "sha256"), "big")


def state_digest(sequence: int, root: int, audit_count: int, audit_head: str) -> str:
    """`sha256:…` that fixes rows and audit log at one moment: what an anchor remembers."""
    parts = (sequence.to_bytes(8, "big"), root.to_bytes(32, "big"), audit_count.to_bytes(8, "big"), audit_head.encode())
    return sha256_text(bind(b"casemate/state/v1", *parts))
