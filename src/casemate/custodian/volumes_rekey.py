"""A volume under another key (spec/protocol.md, "Rekeying").

Whoever may rekey has a lease with the present key and the next one. The next one has an anchor of its own until all is
written under it. Then one transaction makes key and anchor the present ones: before it the volume is the old one, and
after it the old one is no volume of this custodian any more, and its key is forgotten.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import Change, Compare, Delete, Put
from casemate.custodian.leases import until_over
from casemate.custodian.policies_book import LoadedPolicy, key_of
from casemate.custodian.problems import Refusal
from casemate.custodian.volumes_facts import Facts, anchor_key, load, next_key, readers
from casemate.custodian.volumes_rules import KeptAnchor, judge
from casemate.errors import CompareFailedError
from casemate.secrets.keyring import StoredSecret
from casemate.secrets.volumes import new_key
from casemate.wire import canonical
from casemate.wire.fields import Model
from casemate.wire.volumes import UNINITIALISED, VolumeAnswer, VolumeRecord, VolumeRekey, VolumeRequest

__all__ = ["KeptNext", "ask_next", "begin", "commit", "give_up", "may_read"]

_TRIES: Final = 4
"""How often it is looked anew because something changed meanwhile."""


class KeptNext(Model):
    """The next key of a volume, its anchor, and the lease (in hexadecimal) that writes under it."""

    record: VolumeRecord
    holder: str
    secret: StoredSecret

    def to_bytes(self) -> bytes:
        return canonical.encode(self.to_object())


async def begin(
    custodian: Custodian, genesis: str, volume: str, lease: bytes, now: datetime
) -> tuple[StoredSecret, list[Compare], Change]:
    """A next key for `lease`, with what has to be stored and what must hold then; what an earlier lease left goes.

    `Refusal`: `volume.read` while somebody reads, `volume.rekeying` while another lease writes the volume anew.
    """
    reading, _, unread = await readers(custodian, genesis, volume, now)
    _refuse_readers(reading)
    kept, before = await _kept(custodian, genesis, volume)
    compare = [unread, before]
    if kept is not None:
        left, over = await until_over(custodian, kept.holder, now)
        if left:
            raise Refusal("volume.rekeying", wait=left)
        compare.append(over)
    begun = KeptNext(record=UNINITIALISED, holder=lease.hex(), secret=new_key(volume, now))
    return begun.secret, compare, Put(next_key(genesis, volume), begun.to_bytes())


async def may_read(custodian: Custodian, facts: Facts, now: datetime) -> Compare:
    """What must still hold for a new reader: nobody writes the volume anew. `Refusal` `volume.rekeying`."""
    kept, unchanged = await _kept(custodian, facts.genesis, facts.name)
    if kept is not None:
        left, _ = await until_over(custodian, kept.holder, now)
        if left:
            raise Refusal("volume.rekeying", wait=left)
    return unchanged


async def give_up(custodian: Custodian, facts: Facts) -> None:
    """Forgets the next key of a lease that ends."""
    kept, unchanged = await _kept(custodian, facts.genesis, facts.name)
    if kept is not None and kept.holder == facts.lease_id:
        await custodian.state.transact([unchanged], [Delete(unchanged.key)], None)


async def ask_next(
    custodian: Custodian, lease_id: bytes, volume: str, request: VolumeRequest, key: str
) -> VolumeAnswer:
    """Reads or moves the anchor of what is written under the next key. `Refusal`: as for the present one."""
    if request.release is not None:
        raise Refusal("request.malformed")
    for _ in range(_TRIES):
        facts = await load(custodian, lease_id, volume, key, await custodian.state.now())
        kept, unchanged = await _mine(custodian, facts)
        if request.set_ is None:
            return facts.answer("current", kept.record)
        expected, new = request.set_.expected, request.set_.new
        verdict = judge(KeptAnchor(record=kept.record, holder=kept.holder), facts.lease_id, "write", expected, new)
        if verdict != "set":
            return facts.answer("set" if verdict == "repeated" else "conflict", kept.record)
        moved = kept.model_copy(update={"record": new})
        try:
            await custodian.state.transact([*facts.compare, unchanged], [Put(unchanged.key, moved.to_bytes())], None)
        except CompareFailedError:
            continue
        return facts.answer("set", new)
    raise Refusal("service.busy", retry_after=1)


async def commit(custodian: Custodian, lease_id: bytes, volume: str, wish: VolumeRekey, key: str) -> VolumeAnswer:
    """Makes the next key and its anchor the volume's.

    `Refusal`: `volume.unknown` without the right, `volume.fenced` for who does not hold both anchors, `volume.read`,
    `volume.refused` at `volume.next` where the new one is not what is to be anchored.
    """
    for _ in range(_TRIES):
        facts = await load(custodian, lease_id, volume, key, await custodian.state.now())
        if facts.rekeys and facts.anchor == KeptAnchor(record=wish.new, holder=facts.lease_id):
            # The reply to the first time was lost.
            return facts.answer("rekeyed", wish.new)
        kept, unchanged = await _mine(custodian, facts)
        if facts.anchor.holder != facts.lease_id:
            raise Refusal("volume.fenced")
        if facts.anchor.record != wish.expected:
            return facts.answer("conflict", facts.anchor.record)
        _check_new(kept, wish)
        _refuse_readers(facts.reading)
        policy = await custodian.policies.load(facts.genesis)
        if policy is None:
            raise Refusal("volume.unknown")
        try:
            return await _exchange(custodian, facts, policy, kept, unchanged)
        except CompareFailedError:
            continue
    raise Refusal("service.busy", retry_after=1)


async def _exchange(
    custodian: Custodian, facts: Facts, policy: LoadedPolicy, kept: KeptNext, unchanged: Compare
) -> VolumeAnswer:
    now = await custodian.state.now()
    stored = policy.volumes[facts.name].model_copy(
        update={"secret": kept.secret, "rekeyed": now.replace(microsecond=0)}
    )
    # The head changes, too: a policy that was loaded before has the old key.
    head = policy.head.model_copy(update={"refreshed": policy.head.refreshed + 1})
    head_key = key_of(facts.genesis, "head")
    anchor = KeptAnchor(record=kept.record, holder=facts.lease_id)
    await custodian.state.transact(
        [*facts.compare, unchanged, Compare(head_key, policy.revision)],
        [
            Put(anchor_key(facts.genesis, facts.name), anchor.to_bytes()),
            Delete(unchanged.key),
            Put(key_of(facts.genesis, f"volumes/{facts.name}"), stored.to_bytes()),
            Put(head_key, head.to_bytes()),
        ],
        facts.entry("volume.rekeyed", kept.record, before=facts.anchor.record.root),
    )
    return facts.answer("rekeyed", kept.record)


def _check_new(kept: KeptNext, wish: VolumeRekey) -> None:
    """What takes the volume's place is what this lease wrote and anchored, and another volume than the old one."""
    fits = kept.record == wish.new and wish.new.state == "active" and wish.new.volume != wish.expected.volume
    if not fits:
        raise Refusal("volume.refused", step="volume.next", got=f"{wish.new.state}, generation {wish.new.generation}")


def _refuse_readers(reading: dict[str, str]) -> None:
    if reading:
        raise Refusal("volume.read", step="volume.readers", got=str(len(reading)))


async def _mine(custodian: Custodian, facts: Facts) -> tuple[KeptNext, Compare]:
    """The next anchor of who rekeys; `Refusal` for everybody else."""
    if not facts.rekeys:
        raise Refusal("volume.unknown")
    kept, unchanged = await _kept(custodian, facts.genesis, facts.name)
    if kept is None or kept.holder != facts.lease_id:
        raise Refusal("volume.fenced")
    return kept, unchanged


async def _kept(custodian: Custodian, genesis: str, volume: str) -> tuple[KeptNext | None, Compare]:
    key = next_key(genesis, volume)
    item = await custodian.state.get(key)
    if item is None:
        return None, Compare(key, None)
    kept = canonical.parse_model(KeptNext, canonical.decode(item.value), what="next key")
    return kept, Compare(key, item.revision)
