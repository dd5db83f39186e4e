"""How many connections one worker holds, whichever of its ports they came to, and whether they ever said a word."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Place", "Places"]


class Places:
    """`taken` of `most`, `greeting` of them by TLS handshakes under way: these get half, so that whoever connects to
    the TLS port and never speaks leaves the other half to the port in the clear, where shields renew their leases.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._watchers: list[Callable[[], None]] = []
        self.taken = 0
        self.greeting = 0

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed` is called whenever there may be more room, or less."""
        self._watchers.append(changed)

    def has_room(self, greeting: bool) -> bool:
        """For one more, which has a handshake before it where `greeting`."""
        return self.taken < self._most and not (greeting and self.greeting >= max(1, self._most // 2))

    def take(self, greeting: bool = False) -> Place | None:
        """None where there is no room."""
        if not self.has_room(greeting):
            return None
        return Place(self, greeting)

    def count(self, taken: int, greeting: int) -> None:
        self.taken += taken
        self.greeting += greeting
        for changed in self._watchers:
            changed()


class Place:
    """One connection's, from when it was accepted until it is lost."""

    def __init__(self, places: Places, greeting: bool) -> None:
        self._places: Places | None = places
        self._greeting = greeting
        places.count(1, int(greeting))

    def greeted(self) -> None:
        """The handshake is over."""
        if self._places is not None and self._greeting:
            self._greeting = False
            self._places.count(0, -1)

    def give_back(self) -> None:
        """Once: a handshake and a connection that end together give back one place."""
        if self._places is not None:
            places, self._places = self._places, None
            places.count(-1, -int(self._greeting))
