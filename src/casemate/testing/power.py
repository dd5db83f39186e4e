"""Losing power between any two writes: a disk that holds what was written until then, and nothing more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.store.interface import Row, Write
from casemate.testing.memory_store import MemoryStore

__all__ = ["FragileAnchor", "FragileStore", "Image", "Power", "PowerLostError"]


class PowerLostError(BaseException):
    """Nobody handles this, as nobody handles a power cut."""


class Power:
    """Shared by all disks of one machine."""

    def __init__(self) -> None:
        self._steps: int | None = None

    def cut_after(self, steps: int) -> None:
        """`steps` more steps of a write are made; the one after them is not, and none after it."""
        self._steps = steps

    def back(self) -> None:
        self._steps = None

    def step(self) -> None:
        """Called before and after everything that reaches a disk."""
        if self._steps is None:
            return
        if self._steps == 0:
            raise PowerLostError
        self._steps -= 1


@dataclass(frozen=True)
class Image:
    """Everything on a disk at one moment: what an attacker keeps, and puts back."""

    rows: dict[str, Row]
    log: tuple[bytes, ...]


class FragileStore(MemoryStore):
    """Transactions are whole or absent, as SQLite's are; the power may go before one, or before it is told."""

    def __init__(self, power: Power) -> None:
        super().__init__()
        self._power = power

    def transaction(
        self, compare: Sequence[tuple[str, int | None]], writes: Sequence[Write], log: Sequence[bytes], revision: int
    ) -> bool:
        self._power.step()
        held = super().transaction(compare, writes, log, revision)
        self._power.step()
        return held

    def image(self) -> Image:
        return Image(dict(self.rows), tuple(self.log))

    def put_back(self, image: Image) -> None:
        self.rows, self.log = dict(image.rows), list(image.log)


class FragileAnchor(FileAnchor):
    """The power may go before a write, in the middle of it, or before it is told."""

    def __init__(self, path: Path, master: bytes, power: Power) -> None:
        super().__init__(path, master)
        self._power = power

    def _flush(self, slot: bytes) -> None:
        self._power.step()
        os.pwrite(self._descriptor, slot[: len(slot) // 2], self._turn * len(slot))
        self._power.step()
        super()._flush(slot)
        self._power.step()
