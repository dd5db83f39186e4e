"""Secrets at release: certificates that need a new issue get it, and templates find their bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Change, Compare, Put
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.errors import SecretError
from casemate.policy.templates import SecretReference
from casemate.secrets.keyring import StoredSecret, part, refresh

__all__ = ["current_secrets", "lookup_in"]


async def current_secrets(custodian: Custodian, policy: LoadedPolicy, now: datetime) -> LoadedPolicy:
    """`policy` with certificates that have at least a third of their life left (spec/policy.md, "Secrets").

    What is issued anew is stored before it is used, and only if nothing changed meanwhile (`CompareFailedError`).
    """
    if not custodian.policies.may_be_due(policy, now):
        return policy
    live = {name: secret for name, secret in policy.secrets.items() if name in policy.document.secret_specs}
    fresh = refresh(live, now)
    if not fresh:
        custodian.policies.nothing_due(policy, now)
        return policy
    genesis = policy.identity
    head = policy.head.model_copy(update={"refreshed": policy.head.refreshed + 1})
    changes: list[Change] = [Put(key_of(genesis, "head"), head.to_bytes())]
    changes += [Put(key_of(genesis, f"secrets/{name}"), secret.to_bytes()) for name, secret in fresh.items()]
    entry = AuditEntry(kind="secrets.reissued", facts={"genesis": genesis, "secrets": sorted(fresh)})
    revision = await custodian.state.transact([Compare(key_of(genesis, "head"), policy.revision)], changes, entry)
    return replace(policy, revision=revision, head=head, secrets={**policy.secrets, **fresh})


def lookup_in(secrets: Mapping[str, StoredSecret]) -> Callable[[SecretReference], bytes]:
    """What templates ask for the bytes of a secret's part."""

    def lookup(reference: SecretReference) -> bytes:
        secret = secrets.get(reference.name)
        if secret is None:
            raise SecretError(f"the secret {reference.name} was never made", step="secrets.lookup")
        return part(secret, reference.part)

    return lookup
