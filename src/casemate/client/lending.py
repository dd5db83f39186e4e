"""Borrowing a volume of a policy: key and lease for a person (spec/protocol.md, "Volumes by hand")."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.client.custodian import CustodianClient
from casemate.errors import InputError, NotGenuineError, SecretError
from casemate.wire import canonical, sealing
from casemate.wire.binding import hpke_key_text, signing_key_text, volume_info
from casemate.wire.fields import LoanMode
from casemate.wire.release import Lease
from casemate.wire.volumes import ReleasedVolume, VolumeLeaseRequest

__all__ = ["Loan", "borrow"]


@dataclass(frozen=True)
class Loan:
    """What was lent. `signing` is the key of the lease; `asked_ms` is when it was asked for, by CLOCK_BOOTTIME."""

    released: ReleasedVolume = field(repr=False)
    lease: Lease
    signing: Ed25519PrivateKey = field(repr=False)
    asked_ms: int
    decision: str


def borrow(client: CustodianClient, *, custodian: str, genesis: str, volume: str, mode: LoanMode) -> Loan:
    """The volume's key, sealed on its way to a key that is made here, and a lease. Errors: those of the client.

    `custodian` is the identity of the pinned custodian, `genesis` that of the policy.
    """
    signing, opening = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    request = VolumeLeaseRequest(
        nonce=client.challenge().nonce,
        mode=mode,
        signing_key=signing_key_text(signing.public_key().public_bytes_raw()),
        hpke_key=hpke_key_text(opening.public_key().public_bytes_raw()),
    )
    # The lease counts from before it was asked for: never longer than the custodian believes.
    asked_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    answer = client.volume_lease(genesis, volume, request)
    info = volume_info(
        custodian=custodian,
        nonce=request.nonce,
        policy_genesis=genesis,
        policy_version=answer.policy.version,
        volume=volume,
        mode=mode,
        signing_key=request.signing_key,
    )
    try:
        plain = sealing.open_sealed(answer.volume, opening, info=info)
        released = canonical.parse_model(ReleasedVolume, canonical.decode_canonical(plain), what="volume")
    except (InputError, SecretError) as error:
        raise NotGenuineError("the volume's key was not sealed for this request", step="volume.key") from error
    return Loan(released, answer.lease, signing, asked_ms, answer.decision)
