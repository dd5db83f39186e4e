"""How many connections one worker holds, whichever of its ports they came to, and whether they ever said a word."""

from __future__ import annotations

__all__ = ["Place", "Places"]


class Places:
    """`taken` of `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    def take(self) -> Place | None:
        """None where all are taken: the connection is to be closed at once."""
        if self.taken >= self._most:
            return None
        self.taken += 1
        return Place(self)


class Place:
    """One connection's, from when it was accepted until it is lost."""

    def __init__(self, places: Places) -> None:
        self._places: Places | None = places

    def give_back(self) -> None:
        """Once: a handshake and a connection that end together give back one place."""
        if self._places is not None:
            self._places.taken -= 1
            self._places = None
