"""What any store offers. It is untrusted: `SealedStore` checks everything that comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Row", "Store", "Write"]


@dataclass(frozen=True, slots=True)
class Row:
    """A key and its value. `revision` is the transaction that wrote it."""

    key: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Write:
    """`value` None deletes."""

    key: str
    value: bytes | None


class Store(Protocol):
    """Ordered keys and values, and a log that only grows. One process uses it at a time.

    Errors are `StoreError`. After an error of `transaction` it is stored or not; never a part of it.
    """

    def get(self, key: str) -> Row | None: ...

    def range(self, prefix: str) -> Iterator[Row]:
        """Rows whose keys begin with `prefix`, in the order of keys."""

    def transaction(
        self, compare: Sequence[tuple[str, int | None]], writes: Sequence[Write], log: Sequence[bytes], revision: int
    ) -> bool:
        """All of it, durably, or nothing. False where a key of `compare` has another revision (None: must be absent).

        `revision` goes with every row written, and is higher than all before.
        """

    def watch(self, prefix: str, after: int) -> list[Row]:
        """Rows below `prefix` that were written by a revision higher than `after`, in the order of keys.

        What was deleted is not among them.
        """

    def log_entries(self, start: int) -> Iterator[bytes]:
        """Entries of the log from number `start` (0 is the first)."""

    def log_length(self) -> int: ...

    def close(self) -> None: ...
