"""alice, who writes one version of her policy after the other, and remembers which were acknowledged."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from casemate.client.custodian import CustodianClient
from casemate.errors import CustodianError, NotFoundError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text, signing_key_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.dsse import POLICY_TYPE, sign_envelope
from casemate.wire.fields import b64u_encode, format_time
from casemate.wire.policies import PolicyCreation, PolicyUpdate

from .conftest import private_key

ALICE = private_key("alice")
PRINCIPALS = {"alice": {"key": signing_key_text(ALICE.public_key().public_bytes_raw())}}
ACCESS = {"read": {"any": ["alice"]}, "update": {"any": ["alice"]}}


def genesis_of(custodian: CustodianGenesis) -> bytes:
    """A new genesis record of alice's policy at that custodian."""
    return canonical.encode(
        {
            "casemate_genesis": 1,
            "policy": "acme/records",
            "custodian": custodian.identity(),
            "principals": PRINCIPALS,
            "access": ACCESS,
            "insecure_simulation": True,
            "random": b64u_encode(os.urandom(32)),
        }
    )


@dataclass
class Author:
    """`acknowledged` are versions in order."""

    custodian: CustodianGenesis
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.genesis = genesis_of(self.custodian)
        self.identity = sha256_text(self.genesis)

    def client(self, url: str) -> CustodianClient:
        return CustodianClient(url, self.custodian, ALICE)

    def write(self, url: str, enough: int, reached: threading.Event) -> None:
        """Version after version, until the custodian is gone; `reached` is set after `enough` of them."""
        first = len(self.acknowledged)
        try:
            with self.client(url) as client:
                while True:
                    self.acknowledged.append(self._submit(client))
                    if len(self.acknowledged) - first == enough:
                        reached.set()
        except CustodianError:
            # Killed: whether the last one counts is not known before it is asked.
            reached.set()

    def write_some(self, url: str, count: int) -> None:
        with self.client(url) as client:
            for _ in range(count):
                self.acknowledged.append(self._submit(client))

    def compare(self, url: str) -> list[str]:
        """The history as the custodian tells it: what was acknowledged, and at most one version that was not."""
        with self.client(url) as client:
            try:
                entries = client.versions(self.identity).versions
            except NotFoundError:
                entries = []
        history = [entry.version for entry in sorted(entries, key=lambda entry: entry.number)]
        assert history[: len(self.acknowledged)] == self.acknowledged
        assert len(history) - len(self.acknowledged) in (0, 1)
        self.acknowledged = list(history)
        return history

    def _submit(self, client: CustodianClient) -> str:
        envelope = sign_envelope(POLICY_TYPE, self._statement(), (ALICE,))
        if self.acknowledged:
            return client.update_policy(self.identity, PolicyUpdate(submission=envelope)).version
        return client.create_policy(PolicyCreation(genesis=self.genesis, submission=envelope)).version

    def _statement(self) -> dict[str, Any]:
        before = {"predecessor": self.acknowledged[-1]} if self.acknowledged else {}
        document = {
            "casemate": 1,
            "policy": "acme/records",
            "genesis": self.identity,
            **before,
            "principals": PRINCIPALS,
            "access": ACCESS,
            "services": {
                "api": {
                    "workload": {"manifest": "sha256:" + "0" * 64},
                    "runtime": {"measurement": "sha384:" + "0" * 96},
                    "platforms": ["simulated"],
                    "lease": "300s",
                }
            },
            # Each version makes the secret anew: version, head and secret are one transaction.
            "secrets": {"token": {"kind": "random", "bytes": 24, "encoding": "hex", "rotate": len(self.acknowledged)}},
        }
        return {
            "casemate_submission": 1,
            "custodian": self.custodian.identity(),
            "genesis": self.identity,
            **before,
            "expires": format_time(datetime.now(UTC) + timedelta(hours=1)),
            "document": document,
        }
