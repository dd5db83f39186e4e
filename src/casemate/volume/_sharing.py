"""One open volume for all in this process that mean the same one: a volume has one writer."""

from __future__ import annotations

import os
import threading
import weakref

from casemate.volume._where import Where
from casemate.volume.volume import Volume

__all__ = ["shared"]


class _Opened:
    """What is open. It stays so while somebody has it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writers: weakref.WeakValueDictionary[Where, Volume] = weakref.WeakValueDictionary()
        self.readers: weakref.WeakValueDictionary[Where, Volume] = weakref.WeakValueDictionary()

    def get(self, where: Where, *, writing: bool) -> Volume:
        with self.lock:
            found = self.writers.get(where)
            if found is not None and not found.closed:
                return found
            known = self.writers if writing else self.readers
            found = known.get(where)
            if found is None or found.closed:
                found = known[where] = Volume.at(where, writing=writing)
            return found


_opened = _Opened()


def shared(where: Where, *, writing: bool) -> Volume:
    """The volume for writing where somebody here writes to it or `writing` asks for that, else for reading.

    Errors: as `Volume.open_writing`.
    """
    return _opened.get(where, writing=writing)


def _forget() -> None:
    """A forked process has nothing open."""
    global _opened
    _opened = _Opened()


os.register_at_fork(after_in_child=_forget)
