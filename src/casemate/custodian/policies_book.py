"""Where policies are in the state, and a cache of the newest versions.

    policies/<genesis>/head              name, newest version, its number; every change of anything below changes it
    policies/<genesis>/genesis           the genesis record's bytes
    policies/<genesis>/versions/<number> a version with its envelope (number with eight digits)
    policies/<genesis>/secrets/<name>    a secret's material, sealed like all values of the store
    policies/<genesis>/volumes/<name>    key and promises of a sealed volume
    policies/<genesis>/documents         numbers of vendors' documents that it admitted by (release_documents.py)
    policies/<genesis>/manifests/<digest> launch manifests that were admitted, for renewals
    policies/<genesis>/statements/<digest> release statements that admitted one, for renewals
    names/<namespace>/<policy>           genesis of the policy of that name
    namespaces/<namespace>               keys that own the namespace

A cached policy counts only while the head has the revision it was loaded at: nobody decides by an old version.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casemate.custodian.keeper import Item, State
from casemate.custodian.limits_cache import SizedCache
from casemate.errors import StoreTamperedError
from casemate.policy.model import PolicyDocument, parse_document
from casemate.secrets.catalogue import SCHEMAS
from casemate.secrets.keyring import StoredSecret
from casemate.secrets.volumes import StoredVolume
from casemate.wire import canonical
from casemate.wire.dsse import Envelope
from casemate.wire.fields import Model, PolicyName, Sha256, SigningKeyText, Time
from casemate.wire.policies import PolicyGenesis, VersionEntry

__all__ = ["MAX_SECRETS", "Head", "LoadedPolicy", "PolicyBook", "StoredVersion", "key_of", "name_key", "version_key"]

MAX_SECRETS: Final = 4096
"""Secrets that one policy accumulates over its history."""

LOOK_SECONDS: Final = 30
"""How long it counts that no certificate of a policy version was due; they live for hours at least."""

_LOOKED_AT: Final = 4096
"""Policy versions for which that is remembered."""

_CACHE_BYTES: Final = 32 * 1024 * 1024
"""Of documents in canonical bytes; parsed ones are some times larger."""


class Head(Model):
    name: PolicyName
    version: Sha256
    number: int
    refreshed: int = 0
    """Counts re-issued certificates and new keys of volumes, so that they change the head as well."""

    def to_bytes(self) -> bytes:
        return self.model_dump_json().encode()


class StoredVersion(Model):
    version: Sha256
    number: int
    predecessor: Sha256 | None = None
    time: Time
    signers: list[SigningKeyText]
    submission: Envelope

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()

    def entry(self) -> VersionEntry:
        return VersionEntry(
            version=self.version,
            number=self.number,
            predecessor=self.predecessor,
            time=self.time,
            signers=self.signers,
        )


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """The newest version of a policy, as it was at `revision` of its head. Secrets and keys print as redacted."""

    revision: int
    head: Head
    identity: str
    genesis: PolicyGenesis
    genesis_bytes: bytes
    newest: StoredVersion
    document: PolicyDocument
    secrets: dict[str, StoredSecret]
    volumes: dict[str, StoredVolume]


class PolicyBook:
    """Looks policies up."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._cache: SizedCache[str, LoadedPolicy] = SizedCache(_CACHE_BYTES)
        self.making = asyncio.Semaphore(1)
        self._looked_at: SizedCache[tuple[str, int], datetime] = SizedCache(_LOOKED_AT)

    async def load(self, genesis: str) -> LoadedPolicy | None:
        """The policy with that genesis as it is now, or None."""
        head = await self._state.get(key_of(genesis, "head"))
        if head is None:
            return None
        cached = self._cache.get(genesis)
        if cached is not None and cached.revision == head.revision:
            return cached
        policy = await self._read(genesis, head)
        self._cache.put(genesis, policy, len(policy.document.data) + len(policy.genesis_bytes))
        return policy

    async def genesis_of(self, name: str) -> str | None:
        """Genesis of the policy called `name` (`acme/records`)."""
        item = await self._state.get(name_key(name))
        return None if item is None else item.value.decode("ascii")

    async def versions(self, genesis: str, newest: int) -> list[VersionEntry]:
        """The whole history, newest first; a page at a time, since envelopes may have a mebibyte each."""
        pages = self._pages(key_of(genesis, "versions/"))
        versions = [_version(item).entry() async for page in pages for item in page][::-1]
        if [version.number for version in versions if version.number <= newest] != list(range(newest, 0, -1)):
            raise StoreTamperedError("a version is missing from a policy's history", step="policies.history")
        return versions

    def may_be_due(self, policy: LoadedPolicy, now: datetime) -> bool:
        """Whether it is time to look again for certificates that need a new issue."""
        last = self._looked_at.get((policy.identity, policy.revision))
        return last is None or not 0 <= (now - last).total_seconds() < LOOK_SECONDS

    def nothing_due(self, policy: LoadedPolicy, now: datetime) -> None:
        self._looked_at.put((policy.identity, policy.revision), now, 1)

    async def _read(self, genesis: str, head_item: Item) -> LoadedPolicy:
        head = canonical.parse_model(Head, canonical.decode(head_item.value), what="head")
        genesis_item = await self._must(key_of(genesis, "genesis"))
        newest = _version(await self._must(version_key(genesis, head.number)))
        record = canonical.parse_model(PolicyGenesis, canonical.decode(genesis_item.value), what="genesis")
        submission = canonical.decode(base64.b64decode(newest.submission.payload))
        secrets = await self._all(key_of(genesis, "secrets/"))
        volumes = await self._all(key_of(genesis, "volumes/"))
        return LoadedPolicy(
            revision=head_item.revision,
            head=head,
            identity=genesis,
            genesis=record,
            genesis_bytes=genesis_item.value,
            newest=newest,
            document=parse_document(submission["document"], SCHEMAS),
            secrets={item.key.rpartition("/")[2]: StoredSecret.from_bytes(item.value) for item in secrets},
            volumes={item.key.rpartition("/")[2]: StoredVolume.from_bytes(item.value) for item in volumes},
        )

    async def _all(self, prefix: str) -> list[Item]:
        return [item async for page in self._pages(prefix) for item in page]

    async def _pages(self, prefix: str) -> AsyncIterator[list[Item]]:
        after: str | None = None
        while page := await self._state.range(prefix, limit=_PAGE, after=after):
            yield page
            after = page[-1].key

    async def _must(self, key: str) -> Item:
        item = await self._state.get(key)
        if item is None:
            raise StoreTamperedError("a part of a policy is missing", step="policies.whole")
        return item


_PAGE: Final = 256


def key_of(genesis: str, part: str) -> str:
    return f"policies/{genesis.removeprefix('sha256:')}/{part}"


def version_key(genesis: str, number: int) -> str:
    return key_of(genesis, f"versions/{number:08d}")


def name_key(name: str) -> str:
    return f"names/{name}"


def _version(item: Item) -> StoredVersion:
    return canonical.parse_model(StoredVersion, canonical.decode(item.value, limit=_VERSION_LIMIT), what="version")


_VERSION_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a stored version: the envelope came in a body of at most 1 MiB."""
