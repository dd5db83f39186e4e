"""All that an answer about a volume rests on, with the revisions at which it holds.

A writer moves its anchor thousands of times between two changes of its lease or its policy. So a worker remembers what
it looked up; whoever writes on the strength of it compares every revision in the same transaction, and a refusal is
never given from memory.

    anchors/<genesis>/<volume>/record     the record and who holds it
    anchors/<genesis>/<volume>/readers    who reads which generation
    anchors/<genesis>/<volume>/next       the next key, and the anchor of what is written under it
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Compare, Item
from casemate.custodian.leases import GRACE, LeaseRecord, began, lease_key, parse_lease
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.custodian.problems import Refusal
from casemate.custodian.volumes_rules import EMPTY, KeptAnchor, KeptReaders
from casemate.policy.people import decide_person
from casemate.wire import canonical
from casemate.wire.volumes import VolumeAnswer, VolumeRecord

__all__ = ["Facts", "anchor_key", "load", "next_key", "readers", "readers_key"]

_NONE: Final = KeptReaders(generations={})
_READERS_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of the readers of one volume; `volumes.MAX_READERS` need a tenth."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`compare` names everything below with its revision; `reading` are the readers whose leases live."""

    lease_id: str
    lease: LeaseRecord
    name: str
    mode: Literal["write", "read"] | None
    """None: the policy took the volume away, and all that is left is to give it up."""
    rekeys: bool
    """It may write the volume anew under the next key, and write it for that."""
    subject: dict[str, str]
    """Whose lease it is, for the record."""
    anchor: KeptAnchor
    reading: dict[str, str]
    good_until: datetime
    """Until then all of `reading` live, and so does the lease: nobody's end comes nearer."""
    compare: tuple[Compare, ...]

    @property
    def genesis(self) -> str:
        return self.lease.genesis

    @property
    def oldest_reader(self) -> str | None:
        """What a writer must not take apart yet; told to nobody else."""
        return min(self.reading.values(), key=int, default=None) if self.mode == "write" else None

    def answer(self, outcome: str, record: VolumeRecord) -> VolumeAnswer:
        return VolumeAnswer.model_validate({"outcome": outcome, "record": record, "oldest_reader": self.oldest_reader})

    def entry(self, kind: str, record: VolumeRecord, **more: str) -> AuditEntry:
        """For the audit log: who did what to which volume."""
        facts = {"generation": record.generation, "root": record.root, "fence": record.fence, **more}
        whose = {"genesis": self.genesis, **self.subject, "volume": self.name}
        return AuditEntry(kind, {**whose, "lease": self.lease_id, "decision": self.lease.decision, **facts})

    def after(self, anchor: KeptAnchor, revision: int) -> Facts:
        """As they are once `anchor` was stored at `revision`."""
        key = anchor_key(self.genesis, self.name)
        compare = tuple(Compare(key, revision) if item.key == key else item for item in self.compare)
        return replace(self, anchor=anchor, compare=compare)


def anchor_key(genesis: str, volume: str) -> str:
    return f"anchors/{genesis.removeprefix('sha256:')}/{volume}/record"


def readers_key(genesis: str, volume: str) -> str:
    return f"anchors/{genesis.removeprefix('sha256:')}/{volume}/readers"


def next_key(genesis: str, volume: str) -> str:
    return f"anchors/{genesis.removeprefix('sha256:')}/{volume}/next"


async def load(
    custodian: Custodian, lease_id: bytes, volume: str, key: str, now: datetime, *, giving_up: bool = False
) -> Facts:
    """What is stored now. `Refusal`: `lease.unknown`, `lease.revoked`, `volume.unknown`, `volume.rekeyed`.

    Whoever is `giving_up` needs nobody's leave for it: what a policy took away must not stay held until a lease ends.
    """
    held, lease = await _lease(custodian, lease_id, key, now)
    policy = await custodian.policies.load(lease.genesis)
    if policy is None:
        raise Refusal("volume.unknown")
    subject, mode = await _mode(custodian, policy, lease, volume, now)
    if not giving_up and lease.revoked is not None:
        raise Refusal("lease.revoked", id=lease.decision, step=lease.revoked.step, got=lease.revoked.got)
    if not giving_up and mode is None:
        raise Refusal("volume.unknown")
    kept = await custodian.state.get(anchor_key(lease.genesis, volume))
    anchor = EMPTY if kept is None else _parsed(kept)
    # Its key opens nothing any more. Whoever changed the key has the new one.
    if not giving_up and anchor.holder != lease_id.hex() and _is_rekeyed_since(policy, volume, lease_id):
        raise Refusal("volume.rekeyed")
    reading, reading_until, listed = await readers(custodian, lease.genesis, volume, now)
    return Facts(
        lease_id=lease_id.hex(),
        lease=lease,
        name=volume,
        mode=mode,
        rekeys=lease.person is not None and lease.person.mode == "rekey" and mode is not None,
        subject=subject,
        anchor=anchor,
        reading=reading,
        good_until=min(lease.ends, reading_until),
        compare=(
            Compare(held.key, held.revision),
            Compare(key_of(lease.genesis, "head"), policy.revision),
            Compare(anchor_key(lease.genesis, volume), None if kept is None else kept.revision),
            listed,
        ),
    )


def _is_rekeyed_since(policy: LoadedPolicy, volume: str, lease_id: bytes) -> bool:
    stored = policy.volumes.get(volume)
    return stored is not None and stored.rekeyed is not None and began(lease_id) < stored.rekeyed


async def _lease(custodian: Custodian, lease_id: bytes, key: str, now: datetime) -> tuple[Item, LeaseRecord]:
    item = await custodian.state.get(lease_key(lease_id))
    lease = None if item is None else parse_lease(item)
    # Somebody else's lease, one that ended and one that never was look the same.
    if item is None or lease is None or lease.signing_key != key or lease.ends <= now:
        raise Refusal("lease.unknown")
    return item, lease


async def _mode(
    custodian: Custodian, policy: LoadedPolicy, lease: LeaseRecord, volume: str, now: datetime
) -> tuple[dict[str, str], Literal["write", "read"] | None]:
    """Whose lease it is, and what the policy's newest version lets it do with the volume."""
    if lease.person is not None:
        asked = lease.person
        subject = {"person": asked.name, "key": asked.key}
        if asked.volume != volume:
            return subject, None
        given = decide_person(policy.document, volume, asked.mode, asked.key, anchor=custodian.anchor, now=now)
        mode: Literal["write", "read"] = "read" if asked.mode == "read" else "write"
        return subject, mode if given.volume else None
    if lease.manifest is None:
        raise Refusal("volume.unknown")
    manifest = (await custodian.manifests.recorded(lease.genesis, lease.manifest)).manifest
    name = manifest.policy.service if manifest.policy else ""
    service = policy.document.services.get(name)
    mounted = [] if service is None else [item for item in service.volumes.values() if item.volume.name == volume]
    return {"service": name}, mounted[0].mode if mounted else None


async def readers(
    custodian: Custodian, genesis: str, volume: str, now: datetime
) -> tuple[dict[str, str], datetime, Compare]:
    """Readers whose leases have not been over for `GRACE`, until when that is known, and that nobody joined them."""
    key = readers_key(genesis, volume)
    listed = await custodian.state.get(key)
    reading: dict[str, str] = {}
    until = datetime.max.replace(tzinfo=now.tzinfo)
    for lease_id, generation in (_NONE if listed is None else _listed(listed)).generations.items():
        item = await custodian.state.get(lease_key(bytes.fromhex(lease_id)))
        ends = now if item is None else parse_lease(item).ends + GRACE
        if ends > now:
            reading[lease_id] = generation
            until = min(until, ends)
    return reading, until, Compare(key, None if listed is None else listed.revision)


def _parsed(item: Item) -> KeptAnchor:
    return canonical.parse_model(KeptAnchor, canonical.decode(item.value), what="anchor record")


def _listed(item: Item) -> KeptReaders:
    return canonical.parse_model(KeptReaders, canonical.decode(item.value, limit=_READERS_LIMIT), what="readers")
