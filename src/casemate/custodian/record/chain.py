"""Entries that each name the one before: none can be changed or removed without the last one telling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from casemate.errors import StoreTamperedError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import Model, Sha256, Time

__all__ = ["FIRST", "AuditEntry", "ChainReader", "ChainedEntry", "chain"]

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
    """The entry's canonical bytes, and the hash that the next one names. `InputError` for facts that are no JSON."""
    placed = ChainedEntry(
        number=number, time=time.replace(microsecond=0), kind=entry.kind, facts=dict(entry.facts), previous=previous
    )
    data = canonical.encode(placed.to_object())
    # What could not be read again would make the whole log unreadable.
    canonical.decode(data)
    return data, sha256_text(data)


class ChainReader:
    """Reads a log entry by entry; `count` were read, `head` is the hash that the next one must name."""

    def __init__(self) -> None:
        self.count = 0
        self.head = FIRST

    def read(self, data: bytes) -> ChainedEntry:
        """The next entry; `StoreTamperedError` where it is another."""
        entry = canonical.parse_model(ChainedEntry, canonical.decode_canonical(data), what="audit entry")
        if (entry.number, entry.previous) != (self.count, self.head):
            raise _broken(self.count)
        self.count += 1
        self.head = sha256_text(data)
        return entry

    def finish(self, *, count: int, head: str) -> None:
        """`StoreTamperedError` unless the log was `count` entries long and ended with `head`."""
        if (self.count, self.head) != (count, head):
            raise _broken(self.count)


def _broken(number: int) -> StoreTamperedError:
    return StoreTamperedError(f"the audit log is broken at entry {number}", step="audit.chain", got=str(number))
