"""The seal around an untrusted store: secrecy and authenticity of each value, freshness of all of them.

What is kept in memory (and so in the trust domain): for each key its revision and what it adds to the state root. A row
that the host takes from yesterday has another revision; one that it hides is missed; one that it invents has no term.
"""

from __future__ import annotations

import bisect
import hmac
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from casemate.custodian.limits_cache import SizedCache
from casemate.custodian.record import FIRST, AuditEntry, ChainedEntry, ChainReader, chain
from casemate.custodian.store.cipher import ValueCipher, derived_key
from casemate.custodian.store.interface import Row, Store, Write
from casemate.custodian.store.root import MODULUS, row_term, state_digest
from casemate.errors import StoreError, StoreTamperedError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.custodian import StateReference
from casemate.wire.fields import Model, Sha256

__all__ = ["SealedStore", "Value"]

_ROW: Final = b"casemate/store-row/v1"
_LOG: Final = b"casemate/store-log/v1"
_HEAD: Final = b"casemate/store-head/v1"
_HEAD_KEY: Final = "head"
_PREFIX: Final = "row/"
_CACHE_BYTES: Final = 64 * 1024 * 1024
"""Opened values that are kept: policies and secrets are read at every attestation."""

_CACHE_ENTRY: Final = 512
"""Bytes that an entry of the cache takes besides its value."""

_LOG_PAGE: Final = 256

_RANGE_BYTES: Final = 8 * 1024 * 1024
"""Of values in one answer of `range`: a page of the largest policies must not become a gigabyte."""


class _Head(Model):
    """`previous` is the state before: an anchor that still names it belongs to a commit that crashed half way."""

    sequence: int
    root: str
    audit_count: int
    audit_head: Sha256
    previous: Sha256


@dataclass(frozen=True, slots=True)
class Value:
    key: str
    value: bytes = field(repr=False)
    revision: int


@dataclass(frozen=True, slots=True)
class _Known:
    revision: int
    term: int


class SealedStore:
    """Opened over a store that is empty (`create`) or holds exactly what its head says (`open`)."""

    def __init__(self, store: Store, master: bytes) -> None:
        self._store = store
        self._cipher = ValueCipher(master)
        self._root_key = derived_key(master, b"casemate/state-root/v1")
        self._known: dict[str, _Known] = {}
        self._keys: list[str] = []
        self._cache: SizedCache[str, Value] = SizedCache(_CACHE_BYTES)
        self._root = 0
        self._head = _Head(sequence=0, root="0" * 64, audit_count=0, audit_head=FIRST, previous=FIRST)

    @classmethod
    def create(cls, store: Store, master: bytes) -> SealedStore:
        if store.get(_HEAD_KEY) is not None:
            raise StoreError("the store is not empty", step="store.create")
        return cls(store, master)

    @classmethod
    def open(cls, store: Store, master: bytes) -> SealedStore:
        """Reads everything once. `StoreTamperedError` where rows, log and head do not belong together."""
        opened = cls(store, master)
        opened._read_head()
        opened._read_rows()
        opened._check_log_end()
        return opened

    @property
    def state(self) -> StateReference:
        """What an anchor must remember now."""
        head = self._head
        digest = state_digest(head.sequence, self._root, head.audit_count, head.audit_head)
        return StateReference(sequence=head.sequence, state=digest)

    @property
    def previous(self) -> StateReference:
        """The state before the last commit."""
        return StateReference(sequence=max(0, self._head.sequence - 1), state=self._head.previous)

    def get(self, key: str) -> Value | None:
        known = self._known.get(key)
        if known is None:
            return None
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        return self._open_row(key, known, self._store.get(_PREFIX + key))

    def revision(self, key: str) -> int | None:
        known = self._known.get(key)
        return None if known is None else known.revision

    def range(self, prefix: str, *, limit: int, after: str | None = None, reverse: bool = False) -> list[Value]:
        """Values whose keys begin with `prefix`, in order, beyond `after`: at most `limit`, and fewer of large ones."""
        found: list[Value] = []
        size = 0
        for key in itertools.islice(self._below(prefix, after, reverse=reverse), limit):
            value = self.get(key)
            assert value is not None
            size += len(value.value)
            if found and size > _RANGE_BYTES:
                break
            found.append(value)
        return found

    def commit(self, writes: Mapping[str, bytes | None], entries: Sequence[AuditEntry], time: datetime) -> int:
        """Stores everything durably as one step; returns its number, which is the revision of what was written.

        Nothing in memory changes unless the store took it all. The caller anchors `state` before it acknowledges.
        """
        self._check_log_length()
        sequence = self._head.sequence + 1
        sealed = {key: None if value is None else self._seal_row(key, sequence, value) for key, value in writes.items()}
        log, audit_count, audit_head = self._seal_log(entries, time)
        terms = {k: self._term(k, sequence, v) for k, v in sealed.items() if v is not None}
        gone = sum(self._known[key].term for key in sealed if key in self._known)
        root = (self._root - gone + sum(terms.values())) % MODULUS
        head = _Head(
            sequence=sequence,
            root=f"{root:064x}",
            audit_count=audit_count,
            audit_head=audit_head,
            previous=self.state.state,
        )
        rows = [Write(_PREFIX + key, value) for key, value in sealed.items()]
        rows.append(Write(_HEAD_KEY, self._seal(canonical.encode(head.to_object()), _HEAD, b"", 0)))
        if not self._store.transaction(self._expected_head(), rows, log, sequence):
            raise StoreTamperedError("the store was changed by somebody else", step="store.head")
        self._apply(writes, terms, sequence)
        self._root, self._head = root, head
        return sequence

    def audit(self) -> Iterator[ChainedEntry]:
        """The whole audit log, verified as it comes; `StoreTamperedError`."""
        reader = ChainReader()
        while page := self.read_log(reader, limit=_LOG_PAGE):
            yield from page

    def read_log(self, reader: ChainReader, *, limit: int) -> list[ChainedEntry]:
        """The next entries that `reader` has not read; none when it read all of them. `StoreTamperedError`."""
        page = itertools.islice(self._store.log_entries(reader.count), limit)
        entries = [reader.read(self._open_log(sealed, reader.count)) for sealed in page]
        if not entries:
            reader.finish(count=self._head.audit_count, head=self._head.audit_head)
        return entries

    def close(self) -> None:
        self._store.close()

    def _expected_head(self) -> list[tuple[str, int | None]]:
        return [(_HEAD_KEY, self._head.sequence or None)]

    def _read_head(self) -> None:
        row = self._store.get(_HEAD_KEY)
        if row is None:
            raise StoreTamperedError("the store has no head", step="store.head")
        data = self._cipher.open(row.value, label=_HEAD, what=b"", number=0)
        self._head = canonical.parse_model(_Head, canonical.decode_canonical(data), what="store head")
        if row.revision != self._head.sequence:
            raise StoreTamperedError("the store's head has another revision", step="store.head")

    def _read_rows(self) -> None:
        for row in self._store.range(_PREFIX):
            key = row.key.removeprefix(_PREFIX)
            term = self._term(key, row.revision, row.value)
            self._known[key] = _Known(row.revision, term)
            self._root = (self._root + term) % MODULUS
        self._keys = sorted(self._known)
        if not hmac.compare_digest(f"{self._root:064x}", self._head.root):
            raise StoreTamperedError(
                "the rows of the store do not add up to its state root",
                step="store.root",
                remedy="rows were changed, removed or taken from another day: put back the newest complete database",
            )

    def _check_log_length(self) -> None:
        if self._store.log_length() != self._head.audit_count:
            raise StoreTamperedError("the audit log has another length than the head says", step="audit.length")

    def _check_log_end(self) -> None:
        """The log is as long as the head says, and ends with the entry that it names. `read_log` checks the rest."""
        self._check_log_length()
        last = self._head.audit_count - 1
        for sealed in self._store.log_entries(last) if last >= 0 else ():
            if sha256_text(self._open_log(sealed, last)) != self._head.audit_head:
                raise StoreTamperedError("the audit log ends with another entry", step="audit.end")

    def _open_log(self, sealed: bytes, number: int) -> bytes:
        return self._cipher.open(sealed, label=_LOG, what=b"", number=number)

    def _open_row(self, key: str, known: _Known, row: Row | None) -> Value:
        # The term, and not the revision alone: after a restore two rows can have been sealed under one revision.
        if row is None or self._term(key, row.revision, row.value) != known.term:
            raise StoreTamperedError(
                "a row of the store was removed, or taken from another day", step="store.row", got=key
            )
        opened = self._cipher.open(row.value, label=_ROW, what=key.encode(), number=row.revision)
        value = Value(key, opened, row.revision)
        self._remember(value)
        return value

    def _term(self, key: str, revision: int, sealed: bytes) -> int:
        return row_term(self._root_key, key, revision, sealed)

    def _seal_row(self, key: str, revision: int, value: bytes) -> bytes:
        return self._seal(value, _ROW, key.encode(), revision)

    def _seal(self, value: bytes, label: bytes, what: bytes, number: int) -> bytes:
        return self._cipher.seal(value, label=label, what=what, number=number)

    def _seal_log(self, entries: Sequence[AuditEntry], time: datetime) -> tuple[list[bytes], int, str]:
        count, head = self._head.audit_count, self._head.audit_head
        sealed = []
        for entry in entries:
            data, head = chain(entry, number=count, previous=head, time=time)
            sealed.append(self._seal(data, _LOG, b"", count))
            count += 1
        return sealed, count, head

    def _apply(self, writes: Mapping[str, bytes | None], terms: Mapping[str, int], revision: int) -> None:
        for key, value in writes.items():
            self._cache.drop(key)
            if value is None:
                if self._known.pop(key, None) is not None:
                    del self._keys[bisect.bisect_left(self._keys, key)]
                continue
            if key not in self._known:
                bisect.insort(self._keys, key)
            self._known[key] = _Known(revision, terms[key])
            self._remember(Value(key, value, revision))

    def _below(self, prefix: str, after: str | None, *, reverse: bool) -> Iterator[str]:
        start = bisect.bisect_left(self._keys, prefix)
        end = bisect.bisect_left(self._keys, prefix + "\U0010ffff")
        if after is not None and not reverse:
            start = max(start, bisect.bisect_right(self._keys, after))
        if after is not None and reverse:
            end = min(end, bisect.bisect_left(self._keys, after))
        positions = range(end - 1, start - 1, -1) if reverse else range(start, end)
        return (self._keys[position] for position in positions)

    def _remember(self, value: Value) -> None:
        self._cache.put(value.key, value, len(value.value) + _CACHE_ENTRY)
