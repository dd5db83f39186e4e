"""Creating and updating policies, and who may read them.

Everything of one submission is stored in one transaction with its audit entry, and only while the head is still the
one that the submission was judged against: of two at once exactly one wins, and the other is told the newest version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Change, Compare, Put
from casemate.custodian.policies_book import (
    MAX_SECRETS,
    Head,
    LoadedPolicy,
    StoredVersion,
    key_of,
    name_key,
    version_key,
)
from casemate.custodian.policies_volumes import volume_changes
from casemate.custodian.problems import Refusal, of_submission
from casemate.custodian.signing import Call
from casemate.errors import (
    CasemateError,
    CompareFailedError,
    ConflictError,
    NotAuthorisedError,
    SecretError,
    StoreError,
)
from casemate.policy.rules import satisfied
from casemate.policy.submission import Accepted, check_anchor, open_first, open_update
from casemate.secrets.catalogue import SCHEMAS
from casemate.secrets.keyring import StoredSecret, establish
from casemate.wire import canonical
from casemate.wire.fields import Model, Sha256, SigningKeyText
from casemate.wire.policies import PolicyCreation, PolicyUpdate, VersionAnswer

__all__ = ["MAX_RSA_KEYS", "MAX_SIGNATURE_AGE", "caller_key", "create", "readable", "update"]

MAX_SIGNATURE_AGE: Final = 300
"""Seconds between a request's `created` and the custodian's time, where the answer depends on who asks."""


MAX_RSA_KEYS: Final = 8
"""RSA keys that one submission has made; each takes a good part of a second, and anybody may submit."""

_COSTLY: Final = "rsa3072"

_NOWHERE: Final = "sha256:" + "0" * 64


class _Owners(Model):
    """Who owns a namespace: the keys that signed the first policy in it."""

    keys: list[SigningKeyText]
    first: Sha256


async def create(custodian: Custodian, creation: PolicyCreation) -> VersionAnswer:
    """Store a genesis record with its first version. `Refusal` when it is not well formed, allowed, or the first."""
    now = await custodian.state.now()
    try:
        accepted = await asyncio.to_thread(
            open_first, creation, custodian=custodian.identity.identity, now=now, schemas=SCHEMAS
        )
        check_anchor(accepted.document, custodian.anchor)
        genesis = accepted.genesis.identity()
        made = await _establish(custodian, accepted, {}, creation.sealed, now)
        compare, changes = await _claim_names(custodian, accepted, genesis)
        compare.append(Compare(key_of(genesis, "head"), None))
        changes.append(Put(key_of(genesis, "genesis"), creation.genesis))
        changes += _version_changes(accepted, genesis, 1, now, made)
        changes += volume_changes(accepted.document, genesis, {}, now)
        return await _store(custodian, accepted, 1, compare, changes)
    except CompareFailedError as error:
        raise await _created_meanwhile(custodian, accepted, genesis) from error
    except StoreError:
        raise
    except CasemateError as error:
        raise of_submission(error) from error


async def update(custodian: Custodian, genesis: str, submission: PolicyUpdate) -> VersionAnswer:
    """Store the next version. `Refusal`; a conflict names the newest version."""
    policy = await custodian.policies.load(genesis)
    if policy is None:
        raise Refusal("policy.unknown")
    now = await custodian.state.now()
    try:
        accepted = await asyncio.to_thread(
            open_update,
            submission,
            genesis=policy.genesis,
            newest=policy.document,
            custodian=custodian.identity.identity,
            now=now,
            schemas=SCHEMAS,
        )
        check_anchor(accepted.document, custodian.anchor)
        made = await _establish(custodian, accepted, policy.secrets, submission.sealed, now)
        number = policy.head.number + 1
        changes = _version_changes(accepted, genesis, number, now, made, refreshed=policy.head.refreshed)
        changes += volume_changes(accepted.document, genesis, policy.volumes, now)
        compare = [Compare(key_of(genesis, "head"), policy.revision)]
        return await _store(custodian, accepted, number, compare, changes)
    except CompareFailedError as error:
        raise await _updated_meanwhile(custodian, genesis) from error
    except StoreError:
        raise
    except CasemateError as error:
        raise of_submission(error) from error


async def caller_key(custodian: Custodian, call: Call) -> str:
    """The key that asks, by a signature that is fresh; checked before anything is looked up."""
    if call.signer is None:
        raise Refusal("request.unsigned")
    now = (await custodian.state.now()).timestamp()
    if abs(now - call.signer.created) > MAX_SIGNATURE_AGE:
        raise Refusal("request.stale")
    return call.signer.key


async def readable(
    custodian: Custodian, genesis: str | None, key: str, *, code: str = "policy.unknown"
) -> LoadedPolicy:
    """The policy, if `key` alone satisfies `read` of its newest version; else the refusal for what is not there."""
    # What is not there is looked up as well, so that its refusal takes the same way as that of what is hidden.
    policy = await custodian.policies.load(genesis or _NOWHERE)
    if policy is None or not satisfied(policy.document.access.read, policy.document.principals, frozenset({key})):
        raise Refusal(code)
    return policy


async def _claim_names(custodian: Custodian, accepted: Accepted, genesis: str) -> tuple[list[Compare], list[Change]]:
    """The namespace belongs to the first who used it, a name to the first genesis of that name."""
    name = accepted.document.policy
    key = _namespace_key(name)
    owners = await custodian.state.get(key)
    compare = [Compare(name_key(name), None)]
    changes: list[Change] = [Put(name_key(name), genesis.encode())]
    if owners is None:
        mine = _Owners(keys=list(accepted.signers), first=genesis)
        return [*compare, Compare(key, None)], [*changes, Put(key, mine.model_dump_json().encode())]
    known = canonical.parse_model(_Owners, canonical.decode(owners.value), what="owners")
    if not set(known.keys) & set(accepted.signers):
        raise NotAuthorisedError(
            f"the namespace {name.partition('/')[0]} belongs to other keys",
            step="submission.namespace",
            remedy="have one of its owners sign the genesis too, or use a namespace of your own",
        )
    if await custodian.policies.genesis_of(name) is not None:
        raise _taken(name)
    return [*compare, Compare(key, owners.revision)], changes


async def _establish(
    custodian: Custodian,
    accepted: Accepted,
    previous: Mapping[str, StoredSecret],
    sealed: Mapping[str, bytes],
    now: datetime,
) -> dict[str, StoredSecret]:
    """What has to be stored of the secrets. In a thread: an RSA key takes its time."""
    specs = accepted.document.secret_specs
    _check_work(specs, previous)
    # One at a time: whoever submits keys to be made must not take the interpreter from everybody else.
    async with custodian.policies.making:
        made = await asyncio.to_thread(
            establish,
            specs,
            previous,
            sealed,
            open_value=_opener(custodian, accepted.genesis.identity()),
            now=now,
        )
    return {name: secret for name, secret in made.items() if previous.get(name) != secret}


def _check_work(specs: Mapping[str, Model], previous: Mapping[str, StoredSecret]) -> None:
    new = [name for name, spec in specs.items() if name not in previous or previous[name].spec != spec.to_object()]
    if sum(getattr(specs[name], "algorithm", None) == _COSTLY for name in new) > MAX_RSA_KEYS:
        raise SecretError(
            f"more than {MAX_RSA_KEYS} RSA keys at once",
            step="secrets.work",
            remedy="add the others with the next version, or use ed25519, p256 or p384",
        )
    if len(set(specs) | set(previous)) > MAX_SECRETS:
        raise SecretError(
            f"more than {MAX_SECRETS} secrets over the policy's history",
            step="secrets.count",
            remedy="use names again instead of new ones, or start another policy",
        )


def _opener(custodian: Custodian, genesis: str) -> Callable[[str, bytes, str], bytes]:
    def open_value(name: str, sealed: bytes, commitment: str) -> bytes:
        return custodian.identity.open_value(sealed, genesis=genesis, name=name, commitment=commitment)

    return open_value


def _version_changes(
    accepted: Accepted,
    genesis: str,
    number: int,
    now: datetime,
    made: Mapping[str, StoredSecret],
    *,
    refreshed: int = 0,
) -> list[Change]:
    head = Head(name=accepted.document.policy, version=accepted.version, number=number, refreshed=refreshed)
    version = StoredVersion(
        version=accepted.version,
        number=number,
        predecessor=accepted.document.predecessor,
        time=now.replace(microsecond=0),
        signers=list(accepted.signers),
        submission=accepted.envelope,
    )
    secrets = [Put(key_of(genesis, f"secrets/{name}"), secret.to_bytes()) for name, secret in made.items()]
    return [
        Put(key_of(genesis, "head"), head.to_bytes()),
        Put(version_key(genesis, number), version.to_bytes()),
        *secrets,
    ]


async def _store(
    custodian: Custodian, accepted: Accepted, number: int, compare: Sequence[Compare], changes: Sequence[Change]
) -> VersionAnswer:
    genesis = accepted.genesis.identity()
    entry = AuditEntry(
        kind="policy.version",
        facts={
            "policy": accepted.document.policy,
            "genesis": genesis,
            "version": accepted.version,
            "number": number,
            "signers": list(accepted.signers),
        },
    )
    await custodian.state.transact(compare, changes, entry)
    return VersionAnswer(genesis=genesis, version=accepted.version, name=accepted.document.policy, number=number)


async def _created_meanwhile(custodian: Custodian, accepted: Accepted, genesis: str) -> Refusal:
    policy = await custodian.policies.load(genesis)
    if policy is not None:
        return Refusal("policy.conflict", step="submission.predecessor", newest=policy.head.version)
    return of_submission(_taken(accepted.document.policy))


async def _updated_meanwhile(custodian: Custodian, genesis: str) -> Refusal:
    policy = await custodian.policies.load(genesis)
    newest = policy.head.version if policy else None
    return Refusal("policy.conflict", step="submission.predecessor", newest=newest)


def _taken(name: str) -> ConflictError:
    return ConflictError(
        f"another policy has the name {name}",
        step="submission.name",
        remedy="choose another name; a manifest names policies by genesis, so nobody is confused",
    )


def _namespace_key(name: str) -> str:
    return f"namespaces/{name.partition('/')[0]}"
