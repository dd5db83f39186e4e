"""Entries that each name the one before: none can be changed or removed without the last one telling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from casemate.errors import StoreTamperedError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import Model, Sha256, Time

__all__ = ["FIRST", "AuditEntry", "ChainedEntry", "chain", "verify_chain"]

FIRST: Final = "sha256:" + "0" * 64
"""The predecessor of the first entry."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What happened. `facts` are JSON values: digests, names, ids; never a secret."""

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class ChainedEntry(Model):
    """An entry in its place."""

    number: int
    time: Time
    kind: str
    facts: dict[str, Any]
    previous: Sha256


def chain(entry: AuditEntry, *, number: int, previous: str, time: datetime) -> tuple[bytes, str]:
    """The entry's canonical bytes, and the hash that the next one names."""
    placed = ChainedEntry(
        number=number, time=time.replace(microsecond=0), kind=entry.kind, facts=dict(entry.facts), previous=previous
    )
    data = canonical.encode(placed.to_object())
    return data, sha256_text(data)


def verify_chain(entries: Iterable[bytes], *, count: int, head: str) -> list[ChainedEntry]:
    """All entries of a log, which must be `count` and end with `head`. `StoreTamperedError` names the first bad one."""
    read: list[ChainedEntry] = []
    previous = FIRST
    for number, data in enumerate(entries):
        entry = canonical.parse_model(ChainedEntry, canonical.decode_canonical(data), what="audit entry")
        if (entry.number, entry.previous) != (number, previous):
            raise _broken(number)
        read.append(entry)
        previous = sha256_text(data)
    if len(read) != count or previous != head:
        raise _broken(len(read))
    return read


def _broken(number: int) -> StoreTamperedError:
    return StoreTamperedError(f"the audit log is broken at entry {number}", step="audit.chain", got=str(number))
