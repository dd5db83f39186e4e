"""From the name that a person uses to the policy's identity."""

from __future__ import annotations

from casemate.cli import _genesis
from casemate.cli._home import home
from casemate.client.custodian import CustodianClient
from casemate.errors import UsageError

__all__ = ["genesis_of"]


def genesis_of(client: CustodianClient, policy: str) -> str:
    """What this user pinned, else what the custodian says to those who may read."""
    if policy.startswith("sha256:"):
        return policy
    try:
        return _genesis.find(home() / "policies", policy).identity()
    except UsageError:
        return client.lookup(policy).genesis
