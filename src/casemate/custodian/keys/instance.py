"""Instance keys: what answers are signed with, for at most a day, under the identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian.keys.identity import Identity
from casemate.custodian.signing import SigningKey
from casemate.wire import canonical, dsse
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import InstanceCertificate
from casemate.wire.fields import b64u_encode

__all__ = ["LIFETIME", "RENEW_AFTER", "Instance", "InstanceSecret", "issue_instance"]

LIFETIME: Final = timedelta(hours=24)
RENEW_AFTER: Final = timedelta(hours=12)
_BACKDATED: Final = timedelta(minutes=10)
"""Of the 24 hours: clocks of callers run behind."""


@dataclass(frozen=True, slots=True)
class InstanceSecret:
    """A key (32 bytes) and its certificate as the `Casemate-Instance` header; times are Unix seconds."""

    key: bytes = field(repr=False)
    header: str
    not_before: float
    not_after: float


def issue_instance(identity: Identity, now: datetime) -> InstanceSecret:
    """A new instance key, certified from ten minutes ago, for 24 hours in all."""
    key = Ed25519PrivateKey.generate()
    start = now.replace(microsecond=0) - _BACKDATED
    certificate = InstanceCertificate(
        casemate_instance=1,
        custodian=identity.identity,
        key=signing_key_text(key.public_key().public_bytes_raw()),
        sealing_key=identity.sealing_key,
        not_before=start,
        not_after=start + LIFETIME,
    )
    envelope = dsse.sign_envelope(dsse.INSTANCE_TYPE, certificate.to_object(), [identity.identity_key])
    header = b64u_encode(canonical.encode(envelope.to_object()))
    return InstanceSecret(key.private_bytes_raw(), header, start.timestamp(), (start + LIFETIME).timestamp())


class Instance:
    """The instance key of this hour; `replace` puts the next one in its place."""

    def __init__(self, secret: InstanceSecret) -> None:
        self.replace(secret)

    def replace(self, secret: InstanceSecret) -> None:
        key = Ed25519PrivateKey.from_private_bytes(secret.key)
        text = signing_key_text(key.public_key().public_bytes_raw())
        self._secret = secret
        self._signing_key = SigningKey(key, text, secret.header, secret.not_after)

    def signing_key(self) -> SigningKey:
        return self._signing_key

    def valid_at(self, moment: datetime) -> bool:
        return self._secret.not_before <= moment.timestamp() <= self._secret.not_after
