"""Anchors of sealed volumes: where the newest root of each is remembered (spec/protocol.md, "Volumes").

One transaction moves a record, and only while nothing changed that allowed it: neither the lease, nor the policy, nor
the record, nor who reads it. So two writers that take a volume over at the same moment are never both told that they
have it, and a writer that was overtaken is never told that it wrote.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from casemate.custodian.app_context import Custodian
from casemate.custodian.keeper import AuditEntry, Change, Compare, Put
from casemate.custodian.leases import until_over
from casemate.custodian.limits_cache import SizedCache
from casemate.custodian.problems import Refusal
from casemate.custodian.volumes_facts import Facts, anchor_key, load, readers_key
from casemate.custodian.volumes_rekey import give_up, may_read
from casemate.custodian.volumes_rules import KeptAnchor, KeptReaders, judge
from casemate.errors import CompareFailedError
from casemate.wire.volumes import VolumeAnswer, VolumeRecord, VolumeRequest, VolumeSet

__all__ = ["MAX_READERS", "Anchors"]

MAX_READERS: Final = 4096
"""Leases that read one volume at once; each is looked up when one of their leases may have ended."""

_TRIES: Final = 8
"""Many leases of one volume at the same moment: the losers look again."""

_REMEMBERED: Final = 8192
"""Leases with a volume, of one worker, whose facts are remembered; a few KiB each."""


class Anchors:
    """Answers for one worker."""

    def __init__(self) -> None:
        self._facts: SizedCache[tuple[bytes, str], Facts] = SizedCache(_REMEMBERED)
        self._told: SizedCache[tuple[str, str, str], bool] = SizedCache(_REMEMBERED)

    async def ask(
        self, custodian: Custodian, lease_id: bytes, volume: str, request: VolumeRequest, key: str
    ) -> VolumeAnswer:
        """`key` signed the request. `Refusal`: of `load`, `volume.refused`, `.fenced`, `.held`, `service.busy`."""
        if request.set_ is not None:
            answer = await self._from_memory(custodian, lease_id, volume, request.set_, key)
            if answer is not None:
                return answer
        for _ in range(_TRIES):
            now = await custodian.state.now()
            facts = await load(custodian, lease_id, volume, key, now, giving_up=request.release is not None)
            try:
                return await self._answer(custodian, facts, request, now)
            except CompareFailedError:
                continue
        raise Refusal("service.busy", retry_after=1)

    async def _from_memory(
        self, custodian: Custodian, lease_id: bytes, volume: str, wish: VolumeSet, key: str
    ) -> VolumeAnswer | None:
        """The hot path: one transaction that compares all that is remembered. None: look, and think, anew."""
        facts = self._facts.get((lease_id, volume))
        now = await custodian.state.now()
        if facts is None or facts.mode is None or facts.lease.signing_key != key or facts.good_until <= now:
            return None
        if facts.anchor.record != wish.expected or wish.new.fence != wish.expected.fence:
            return None
        try:
            if judge(facts.anchor, facts.lease_id, facts.mode, wish.expected, wish.new) != "set":
                return None
            return await self._set(custodian, facts, wish.new)
        except (Refusal, CompareFailedError):
            return None

    async def _answer(self, custodian: Custodian, facts: Facts, request: VolumeRequest, now: datetime) -> VolumeAnswer:
        if request.release is not None:
            return await _release(custodian, facts)
        if request.set_ is not None:
            return await self._wish(custodian, facts, request.set_, now)
        if facts.mode == "read":
            await _register(custodian, facts, now)
        return facts.answer("current", facts.anchor.record)

    async def _wish(self, custodian: Custodian, facts: Facts, wish: VolumeSet, now: datetime) -> VolumeAnswer:
        verdict = judge(facts.anchor, facts.lease_id, facts.mode, wish.expected, wish.new)
        if verdict == "repeated":
            return facts.answer("set", wish.new)
        if verdict == "conflict":
            return facts.answer("conflict", facts.anchor.record)
        more: list[Compare] = []
        if verdict == "takeover":
            more = await self._wait_for(custodian, facts, wish.new, now)
        return await self._set(custodian, facts, wish.new, more)

    async def _set(
        self, custodian: Custodian, facts: Facts, new: VolumeRecord, more: list[Compare] | None = None
    ) -> VolumeAnswer:
        anchor = KeptAnchor(record=new, holder=facts.lease_id)
        changes: list[Change] = [Put(anchor_key(facts.genesis, facts.name), anchor.to_bytes())]
        compare = [*facts.compare, *(more or ())]
        revision = await custodian.state.transact(compare, changes, _worth_recording(facts, new))
        self._facts.put((bytes.fromhex(facts.lease_id), facts.name), facts.after(anchor, revision), 1)
        return facts.answer("set", new)

    async def _wait_for(self, custodian: Custodian, facts: Facts, new: VolumeRecord, now: datetime) -> list[Compare]:
        """What must still hold of the lease that holds the volume: that it is over. `Refusal` `volume.held`."""
        left, over = await until_over(custodian, facts.anchor.holder or "", now)
        if left == 0:
            return [over]
        # Once for each worker, lease and writer that it waits for: a shield asks again and again.
        told = (facts.lease_id, facts.name, facts.anchor.record.fence)
        if self._told.get(told) is None:
            await custodian.state.transact([], [], facts.entry("volume.held", new, holder=facts.anchor.holder or ""))
            self._told.put(told, True, 1)
        raise Refusal("volume.held", wait=left)


async def _register(custodian: Custodian, facts: Facts, now: datetime) -> None:
    """Remember what this lease reads, before it is told: a writer that moves on hears of it."""
    record = facts.anchor.record
    undisturbed = await may_read(custodian, facts, now)
    if record.state == "uninitialised" or facts.reading.get(facts.lease_id) == record.generation:
        return
    reading = {**facts.reading, facts.lease_id: record.generation}
    if len(reading) > MAX_READERS:
        raise Refusal("service.busy", retry_after=1)
    await _put_readers(custodian, facts, reading, undisturbed)


async def _release(custodian: Custodian, facts: Facts) -> VolumeAnswer:
    await give_up(custodian, facts)
    if facts.anchor.holder == facts.lease_id:
        anchor = KeptAnchor(record=facts.anchor.record)
        entry = facts.entry("volume.released", anchor.record)
        await custodian.state.transact(
            facts.compare, [Put(anchor_key(facts.genesis, facts.name), anchor.to_bytes())], entry
        )
    elif facts.lease_id in facts.reading:
        left = {lease: generation for lease, generation in facts.reading.items() if lease != facts.lease_id}
        await _put_readers(custodian, facts, left)
    elif facts.mode is None:
        raise Refusal("volume.unknown")
    return facts.answer("released", facts.anchor.record)


async def _put_readers(custodian: Custodian, facts: Facts, reading: dict[str, str], *more: Compare) -> None:
    value = KeptReaders(generations=reading).to_bytes()
    await custodian.state.transact([*facts.compare, *more], [Put(readers_key(facts.genesis, facts.name), value)], None)


def _worth_recording(facts: Facts, new: VolumeRecord) -> AuditEntry | None:
    """Who began to write, and the end of a volume; never each update."""
    old = facts.anchor.record
    if old.state == "uninitialised":
        return facts.entry("volume.initialised", new)
    if new.state == "retired":
        return facts.entry("volume.retired", new)
    return facts.entry("volume.fence", new) if new.fence != old.fence else None
