"""Volumes of a policy by hand: what `casemate-volume` is told of a loan."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli import _genesis
from casemate.cli._connecting import identity
from casemate.cli._custodians import chosen
from casemate.cli._home import home
from casemate.cli.policy._genesis_of import genesis_of
from casemate.client.addresses import literal_addresses
from casemate.client.custodian import CustodianClient
from casemate.client.lending import borrow
from casemate.errors import UsageError
from casemate.wire import canonical
from casemate.wire.fields import LoanMode, b64u_encode

__all__ = ["Lender", "Name", "Policy"]

Policy = Annotated[
    str | None,
    typer.Option("--policy", help="Have key and newest state from this policy's custodian, which records it."),
]
Name = Annotated[str | None, typer.Option("--volume", help="The volume's name in the policy.")]


@dataclass(frozen=True)
class Lender:
    """The policy that names a volume and who may have it, and as whom to ask; nothing of it with a key file."""

    policy: str | None = None
    volume: str | None = None
    custodian: str | None = None
    who: str | None = None
    what: str = field(default="volume", compare=False)
    """What people call it, and what its options begin with."""
    prefix: str = field(default="--", compare=False)

    @property
    def choice(self) -> str:
        """The two ways to say where key and anchor are."""
        say = self.prefix
        return f"say {say}key-file and {say}anchor, or {say}policy and {say}volume"

    def lend(self, folder: Path, mode: LoanMode, *, anchored: bool = True) -> dict[str, Any]:
        """The volume in `folder`, as crates/volume-tool wants it. Whoever asks gets a lease, and is on record."""
        if self.policy is None or self.volume is None:
            raise UsageError(
                "which volume of the policy?", remedy=f"name one with {self.prefix}policy and {self.prefix}volume"
            )
        pin = chosen(self.custodian, identity=_genesis.custodian_of(home() / "policies", self.policy))
        addresses = literal_addresses(pin.url)
        with CustodianClient(pin.url, pin.genesis, identity(self.who).key) as client:
            genesis = genesis_of(client, self.policy)
            loan = borrow(client, custodian=pin.identity, genesis=genesis, volume=self.volume, mode=mode)
        released = loan.released
        freshness = {"freshness": released.freshness, "interval_ms": released.interval_ms}
        return {
            "folder": str(folder.absolute()),
            "key": b64u_encode(released.key),
            "lent": {
                "genesis": b64u_encode(canonical.encode(pin.genesis.to_object())),
                "identity": b64u_encode(bytes.fromhex(pin.identity.removeprefix("sha256:"))),
                "addresses": addresses,
                "signing_seed": b64u_encode(loan.signing.private_bytes_raw()),
                "lease": b64u_encode(loan.lease.id),
                "seconds": loan.lease.seconds,
                "asked_ms": loan.asked_ms,
                "volume": released.volume,
                "mode": "read" if mode == "read" else "write",
                **({} if released.next_key is None else {"next_key": b64u_encode(released.next_key)}),
                "root": released.root,
                **(freshness if anchored else {"freshness": "none", "interval_ms": None}),
            },
        }
