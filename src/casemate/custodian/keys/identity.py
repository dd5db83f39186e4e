"""Who this custodian is. The private keys live in this memory and in the sealed store."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import Field

from casemate.errors import SecretError
from casemate.wire import canonical
from casemate.wire.binding import digest_bytes, hpke_key_text, signing_key_text
from casemate.wire.custodian import Board, CustodianGenesis
from casemate.wire.fields import Bytes, Bytes32, Model
from casemate.wire.sealing import open_sealed, value_commitment, value_info

__all__ = ["IDENTITY_KEY", "Identity"]

IDENTITY_KEY: Final = "identity"
"""Where the store keeps it."""


class _Stored(Model):
    genesis: Bytes
    identity_key: Annotated[Bytes32, Field(repr=False)]
    sealing_key: Annotated[Bytes32, Field(repr=False)]


class _SealedValue(Model):
    value: Annotated[Bytes, Field(repr=False)]
    salt: Bytes32


class Identity:
    """`identity` is `sha256:…` of `genesis_bytes`; `sealing_key` takes values that owners seal."""

    def __init__(self, genesis_bytes: bytes, identity_key: bytes, sealing_key: bytes) -> None:
        self.genesis_bytes = genesis_bytes
        self.genesis = canonical.parse_record(CustodianGenesis, genesis_bytes, what="genesis")
        self.identity = self.genesis.identity()
        self.identity_key = Ed25519PrivateKey.from_private_bytes(identity_key)
        self._opening_key = X25519PrivateKey.from_private_bytes(sealing_key)
        self.sealing_key = hpke_key_text(self._opening_key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity({self.identity})"

    @classmethod
    def create(
        cls, name: str, board: Board, simulation_root: str | None, container_simulation_root: str | None = None
    ) -> Identity:
        identity_key = Ed25519PrivateKey.generate()
        genesis = CustodianGenesis(
            casemate_custodian=1,
            name=name,
            board=board,
            identity_key=signing_key_text(identity_key.public_key().public_bytes_raw()),
            simulation_root=simulation_root,
            container_simulation_root=container_simulation_root,
            random=secrets.token_bytes(32),
        )
        sealing_key = X25519PrivateKey.generate()
        return cls(
            canonical.encode(genesis.to_object()), identity_key.private_bytes_raw(), sealing_key.private_bytes_raw()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        stored = canonical.parse_model(_Stored, canonical.decode(data), what="identity")
        return cls(stored.genesis, stored.identity_key, stored.sealing_key)

    def to_bytes(self) -> bytes:
        """For the sealed store, and for a worker of the same trust domain."""
        stored = _Stored(
            genesis=self.genesis_bytes,
            identity_key=self.identity_key.private_bytes_raw(),
            sealing_key=self._opening_key.private_bytes_raw(),
        )
        return canonical.encode(stored.to_object())

    def open_value(self, sealed: bytes, *, genesis: str, name: str, commitment: str) -> bytes:
        """What an owner sealed for this secret of this policy, checked against the document's commitment.

        `SecretError` for another custodian's, policy's or secret's value, or one that is not what was committed to.
        """
        info = value_info(custodian=self.identity, genesis=genesis, name=name, commitment=commitment)
        opened = canonical.decode(open_sealed(sealed, self._opening_key, info=info))
        parts = canonical.parse_model(_SealedValue, opened, what="sealed value")
        digest = hashlib.sha256(value_commitment(parts.salt, parts.value)).digest()
        if not hmac.compare_digest(digest, digest_bytes(commitment)):
            raise SecretError(
                f"the value of {name} is not the one that the document commits to",
                step="secrets.commitment",
                remedy="seal it again, and write the commitment that is printed then into the document",
            )
        return parts.value
