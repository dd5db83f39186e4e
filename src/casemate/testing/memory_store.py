"""A store in memory, with the promises of the real one but durability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from casemate.custodian.store.interface import Row, Write

__all__ = ["MemoryStore"]


class MemoryStore:
    """`rows` and `log` are public: tests tamper with them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.log: list[bytes] = []

    def get(self, key: str) -> Row | None:
        return self.rows.get(key)

    def range(self, prefix: str) -> Iterator[Row]:
        yield from [self.rows[key] for key in sorted(self.rows) if key.startswith(prefix)]

    def transaction(
        self, compare: Sequence[tuple[str, int | None]], writes: Sequence[Write], log: Sequence[bytes], revision: int
    ) -> bool:
        for key, wanted in compare:
            row = self.rows.get(key)
            if (row.revision if row else None) != wanted:
                return False
        for write in writes:
            if write.value is None:
                self.rows.pop(write.key, None)
            else:
                self.rows[write.key] = Row(write.key, write.value, revision)
        self.log += log
        return True

    def watch(self, prefix: str, after: int) -> list[Row]:
        return [row for row in self.range(prefix) if row.revision > after]

    def log_entries(self, start: int) -> Iterator[bytes]:
        yield from self.log[start:]

    def log_length(self) -> int:
        return len(self.log)

    def close(self) -> None:
        pass
