"""The mixed load that ages a folder: overwrites at random, small files that come and go, appends, transactions, renames
and truncations. What a batch does follows from its number alone, so that two folders can have the same.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from bench.volume_aged.filling import LARGE, LARGE_BYTES, LOGS, SMALL, write

__all__ = ["Load", "age"]

_BLOCK: Final = 4096
_OVERWRITES: Final = 400
_FILES: Final = 60
_APPENDS: Final = 20
_RENAMES: Final = 10
_COMMITS: Final = 20
_LOGS: Final = 8
_LONGEST_LOG: Final = 16 << 20
_REPLACED_EVERY: Final = 100
"""Batches, after which one large file is written anew."""


class Load:
    """One folder under load."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self.refused = 0
        self._large = sorted(os.listdir(folder / LARGE))
        self._small = sorted(os.listdir(folder / SMALL))
        self._database = sqlite3.connect(folder / "database", isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        self._database.execute("create table if not exists entries (number integer primary key, text text)")

    def batch(self, number: int) -> None:
        """A full volume may refuse: that is counted, and what comes after does not depend on it."""
        steps = [self._overwrite, self._replace_small, self._append, self._rename, self._commit]
        if number % _REPLACED_EVERY == _REPLACED_EVERY - 1:
            steps.append(self._replace_large)
        for index, step in enumerate(steps):
            try:
                step(random.Random(f"{self._seed} {number} {index}"))
            except (OSError, sqlite3.OperationalError) as error:
                if not _is_full(error):
                    raise
                self.refused += 1

    def close(self) -> None:
        self._database.close()

    def _overwrite(self, choice: random.Random) -> None:
        with (self._folder / LARGE / choice.choice(self._large)).open("r+b", buffering=0) as file:
            for _ in range(_OVERWRITES):
                file.seek(choice.randrange(LARGE_BYTES // _BLOCK) * _BLOCK)
                file.write(choice.randbytes(_BLOCK))
            os.fsync(file.fileno())

    def _replace_small(self, choice: random.Random) -> None:
        for _ in range(_FILES):
            index = choice.randrange(len(self._small))
            old = self._small[index]
            (self._folder / SMALL / old).unlink(missing_ok=True)
            stem, _, version = old.partition("-")
            self._small[index] = f"{stem}-{int(version) + 1}"
            write(self._folder / SMALL / self._small[index], choice.randrange(_BLOCK, 16 * _BLOCK), choice)

    def _append(self, choice: random.Random) -> None:
        for _ in range(_APPENDS):
            path = self._folder / LOGS / str(choice.randrange(_LOGS))
            with path.open("ab", buffering=0) as file:
                file.write(choice.randbytes(choice.randrange(100, 1 << 16)))
                if file.tell() > _LONGEST_LOG:
                    file.truncate(choice.randrange(_LONGEST_LOG))

    def _rename(self, choice: random.Random) -> None:
        for _ in range(_RENAMES):
            index = choice.randrange(len(self._small))
            old = self._small[index]
            stem, _, version = old.partition("-")
            self._small[index] = f"{stem}-{int(version) + 1}"
            if (self._folder / SMALL / old).exists():
                (self._folder / SMALL / old).rename(self._folder / SMALL / self._small[index])

    def _commit(self, choice: random.Random) -> None:
        for _ in range(_COMMITS):
            text = choice.randbytes(200).hex()
            self._database.execute("insert or replace into entries values (?, ?)", (choice.randrange(100_000), text))

    def _replace_large(self, choice: random.Random) -> None:
        write(self._folder / LARGE / choice.choice(self._large), LARGE_BYTES, choice)


def _is_full(error: OSError | sqlite3.OperationalError) -> bool:
    # SQLite says of an fsync that was refused only that it was.
    return error.errno == errno.ENOSPC if isinstance(error, OSError) else True


def age(leading: Load, following: Load, minutes: float, pace: float) -> int:
    """How many batches both had: `following` gets what `leading` had, beside it; at most `pace` a second, if not 0."""
    began, batches = time.monotonic(), 0
    granted, over = threading.Semaphore(0), threading.Event()

    def follow() -> None:
        for number in range(1 << 40):
            granted.acquire()
            if over.is_set() and number >= batches:
                return
            following.batch(number)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        while time.monotonic() < began + minutes * 60:
            leading.batch(batches)
            batches += 1
            granted.release()
            if pace:
                time.sleep(max(0, began + batches / pace - time.monotonic()))
    finally:
        over.set()
        granted.release()
        follower.join()
    return batches
