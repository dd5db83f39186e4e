"""Nonces without memory: a ticket says itself when it was made and that it is ours (spec/protocol.md).

    ticket (32 bytes) = milliseconds since 1970 (6, big-endian) ‖ random (10) ‖ HMAC-SHA-256(key, first 16)[:16]

The key is made at start and lives in memory only, shared by the workers: tickets of an earlier start are foreign.
That a ticket is used once is the state's part (`State.spend`), after the cheap checks here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Final

from casemate.custodian.problems import Refusal

__all__ = ["LIFETIME_SECONDS", "TICKET_KEY_BYTES", "Challenges"]

LIFETIME_SECONDS: Final = 60
"""Enough for slow platforms to make evidence; the spent ones are remembered as long."""

TICKET_KEY_BYTES: Final = 32

_SKEW_SECONDS: Final = 5
"""Workers read the time one after the other; a ticket that is further ahead means that the clock was set back."""

_BODY_BYTES: Final = 16
_TIME_BYTES: Final = 6


class Challenges:
    """Makes tickets and recognises them."""

    def __init__(self, key: bytes) -> None:
        if len(key) != TICKET_KEY_BYTES:
            raise ValueError(f"a ticket key has {TICKET_KEY_BYTES} bytes")
        self._key = key

    def issue(self, now: datetime) -> bytes:
        """A ticket, 32 bytes."""
        made = int(now.timestamp() * 1000).to_bytes(_TIME_BYTES, "big")
        body = made + secrets.token_bytes(_BODY_BYTES - _TIME_BYTES)
        return body + self._mac(body)

    def check(self, ticket: bytes, now: datetime) -> datetime:
        """When `ticket` ends. `Refusal` `nonce.refused` unless it is ours and of the last minute."""
        body, mac = ticket[:_BODY_BYTES], ticket[_BODY_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise Refusal("nonce.refused")
        made = int.from_bytes(body[:_TIME_BYTES], "big") / 1000
        if not -_SKEW_SECONDS <= now.timestamp() - made <= LIFETIME_SECONDS:
            raise Refusal("nonce.refused")
        return datetime.fromtimestamp(made + LIFETIME_SECONDS, UTC)

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()[:_BODY_BYTES]

    def __repr__(self) -> str:
        return "Challenges(key=<redacted>)"
