"""What an operator can turn, each with a default that suits a small custodian. Part of the measured configuration.

Rates hold for each worker process: two workers let twice as much through.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from casemate.wire.fields import Model

__all__ = [
    "ANSWER_BYTES",
    "ANSWER_SECONDS",
    "ATTESTATION_BODY_LIMIT",
    "BODY_LIMIT",
    "HANDSHAKE_SECONDS",
    "HEADER_LIMIT",
    "REQUEST_SECONDS",
    "VERSION",
    "Rate",
    "Settings",
]

VERSION: Final = "0.1.0"
"""Written here as well as in pyproject.toml (a test compares): the measured closure has no package metadata."""

ATTESTATION_BODY_LIMIT: Final = 24 * 1024 * 1024
"""Bytes; a manifest of 16 MiB is 21.4 MiB of base64, the rest is evidence (spec/protocol.md, "Limits")."""

BODY_LIMIT: Final = 1024 * 1024
"""Bytes, of every other request."""

HEADER_LIMIT: Final = 64 * 1024
"""Bytes of request line and headers together; ours are under 2 KiB, load balancers add some."""

REQUEST_SECONDS: Final = 10.0
"""To send a whole request: longer is a client that holds memory for nothing."""

ANSWER_SECONDS: Final = 30.0
"""To take `ANSWER_BYTES` of an answer that waits, or what is left of it: as long as an idle connection may stay."""

ANSWER_BYTES: Final = 16 * 1024
"""Less in `ANSWER_SECONDS` is a client that does not read."""

HANDSHAKE_SECONDS: Final = 10.0
"""To end a TLS handshake, however its bytes drip in: an honest one takes two ways through the network."""


class Rate(Model):
    """A token bucket: `per_second` on average, `burst` at once."""

    per_second: Annotated[int, Field(ge=1, le=1_000_000)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)]


class Settings(Model):
    """`*_per_client` holds for one address (IPv6: one /64), `*_total` for all of them together."""

    challenges_per_client: Rate = Rate(per_second=500, burst=1000)
    challenges_total: Rate = Rate(per_second=2000, burst=4000)
    attestations_per_client: Rate = Rate(per_second=500, burst=1000)
    attestations_total: Rate = Rate(per_second=1000, burst=2000)
    policies_per_client: Rate = Rate(per_second=20, burst=100)
    policies_total: Rate = Rate(per_second=100, burst=400)
    volumes_per_client: Rate = Rate(per_second=5000, burst=10_000)
    volumes_total: Rate = Rate(per_second=10_000, burst=20_000)
    other_per_client: Rate = Rate(per_second=1000, burst=2000)
    other_total: Rate = Rate(per_second=4000, burst=8000)
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Requests in the house at once, of one worker; the next one is asked to come back."""
    max_pending_bytes: Annotated[int, Field(ge=ATTESTATION_BODY_LIMIT)] = 128 * 1024 * 1024
    """Bytes of bodies held at once, of one worker: five of the largest."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Open connections of one worker on all its ports, in TLS handshakes too; a further one waits to be accepted."""
    decisions_kept: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Decisions kept for `casemate why`, of each policy; the audit log keeps its line of every one."""
