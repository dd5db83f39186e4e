"""Frames between keeper and workers: 4-byte big-endian length and `marshal` bytes.

Both ends are the same interpreter, the same measured code and the same trust domain, on a socket pair that nobody else
has: here `marshal` is only the fastest way to move bytes, strings, numbers and lists.
"""

from __future__ import annotations

import asyncio
import marshal
from typing import Any, Final

from casemate.custodian.keeper.state import Change, Compare, Delete, Item, Put, Transaction
from casemate.custodian.record import AuditEntry
from casemate.errors import CompareFailedError, StoreError, StoreTamperedError

__all__ = [
    "MAX_FRAME",
    "error_of",
    "error_to",
    "item_of",
    "item_to",
    "pack",
    "read",
    "transaction_of",
    "transaction_to",
]

MAX_FRAME: Final = 64 * 1024 * 1024
"""A submission's worth of secrets, or a manifest."""


def pack(message: tuple[Any, ...]) -> bytes:
    """A frame; `StoreError` for one that the other end would not take."""
    body = marshal.dumps(message)
    if len(body) > MAX_FRAME:
        raise _too_large()
    return len(body).to_bytes(4, "big") + body


async def read(reader: asyncio.StreamReader) -> tuple[Any, ...] | None:
    """The next message; None at the end. `StoreError` for what is no message: then nothing after it is one."""
    try:
        head = await reader.readexactly(4)
        length = int.from_bytes(head, "big")
        if length > MAX_FRAME:
            raise _too_large()
        message = marshal.loads(await reader.readexactly(length))  # noqa: S302 - see above
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, TypeError, EOFError) as error:
        raise StoreError("a frame between keeper and worker is malformed", step="keeper.frame") from error
    if not isinstance(message, tuple) or not message:
        raise StoreError("a frame between keeper and worker is malformed", step="keeper.frame")
    return message


def _too_large() -> StoreError:
    return StoreError("a frame between keeper and worker is too large", step="keeper.frame")


def transaction_to(transaction: Transaction) -> tuple[Any, ...]:
    compare = [(item.key, item.revision) for item in transaction.compare]
    changes = [(change.key, None if isinstance(change, Delete) else change.value) for change in transaction.changes]
    record = transaction.record
    return compare, changes, None if record is None else (record.kind, dict(record.facts))


def transaction_of(message: tuple[Any, ...]) -> Transaction:
    """`ValueError`, `TypeError` for what is none: it must not come as far as the others' commit."""
    compare, changes, record = message
    return Transaction(
        [Compare(_key(key), revision) for key, revision in compare],
        [_change(key, value) for key, value in changes],
        None if record is None else _entry(*record),
    )


def _change(key: str, value: bytes | None) -> Change:
    if value is None:
        return Delete(_key(key))
    if not isinstance(value, bytes):
        raise TypeError("a value is bytes")
    return Put(_key(key), value)


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError("a key is text")
    # Half a surrogate pair is text to Python, and nothing to the store: ValueError.
    key.encode()
    return key


def _entry(kind: str, facts: dict[str, Any]) -> AuditEntry:
    if not (isinstance(kind, str) and isinstance(facts, dict)):
        raise TypeError("an entry of the log has a kind and facts")
    return AuditEntry(kind, facts)


def item_to(item: Item | None) -> tuple[Any, ...] | None:
    return None if item is None else (item.key, item.value, item.revision)


def item_of(message: tuple[Any, ...] | None) -> Item | None:
    return None if message is None else Item(*message)


def error_to(error: StoreError) -> tuple[str, str, str | None, str | None, str | None]:
    return type(error).__name__, error.message, error.step, error.got, error.remedy


def error_of(message: tuple[str, str, str | None, str | None, str | None]) -> StoreError:
    kind, text, step, got, remedy = message
    if kind == CompareFailedError.__name__:
        return CompareFailedError(got or "")
    made = StoreTamperedError if kind == StoreTamperedError.__name__ else StoreError
    return made(text, step=step, got=got, remedy=remedy)
