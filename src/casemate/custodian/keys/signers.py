"""The instance keys whose results are still good, the one before and those of earlier starts among them: public parts,
kept in the store from before they sign until their certificates end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.custodian.keeper.state import Change, Delete, Item, Put, State
from casemate.custodian.keys.instance import InstanceSecret
from casemate.custodian.signing import SigningKey
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.fields import Model

__all__ = ["MAX_LISTED", "Range", "Signer", "Signers", "remembering"]

MAX_LISTED: Final = 64
"""Keys in one answer, the newest: a custodian has two, and one more for each time that it was started that day."""

_PREFIX: Final = "instances/"
_PAGE: Final = 100

Range = Callable[..., list[Item]]
"""`Engine.range`."""


class Signer(Model):
    """`certificate` is the `Casemate-Instance` header; both end at `not_after` (Unix seconds)."""

    key: str
    not_after: int
    certificate: str


def remembering(secret: InstanceSecret, found: Range, now: float) -> list[Change]:
    """What the store is to be told before `secret` signs: its public part, and to forget what has ended."""
    public = Ed25519PrivateKey.from_private_bytes(secret.key).public_key().public_bytes_raw()
    signer = Signer(key=signing_key_text(public), not_after=int(secret.not_after), certificate=secret.header)
    changes: list[Change] = [Put(_place(signer.not_after, public), canonical.encode(signer.to_object()))]
    oldest = found(_PREFIX, limit=_PAGE, after=None, reverse=False)
    return [*changes, *(Delete(item.key) for item in oldest if _parse(item).not_after <= now)]


class Signers:
    """As one worker knows them; it reads them once for each key that it gets itself."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._read_under: str | None = None
        self._known: list[Signer] = []

    async def good_at(self, now: datetime, own: SigningKey) -> list[Signer]:
        """`own` first, then others whose certificates have not ended, the newest first. `StoreError`."""
        if self._read_under != own.text:
            # The keeper stores a key before it hands it out: whoever has this one finds all before it.
            self._known = await self._read(own)
            self._read_under = own.text
        mine = Signer(key=own.text, not_after=int(own.not_after), certificate=own.header)
        return [mine, *(one for one in self._known if one.not_after > now.timestamp())]

    async def _read(self, own: SigningKey) -> list[Signer]:
        found: list[Signer] = []
        after: str | None = None
        while len(found) < MAX_LISTED and (
            page := await self._state.range(_PREFIX, limit=MAX_LISTED, after=after, reverse=True)
        ):
            found += [signer for item in page if (signer := _parse(item)).key != own.text]
            after = page[-1].key
        return found[: MAX_LISTED - 1]


def _place(end: int, public: bytes) -> str:
    """Sorts by time."""
    return f"{_PREFIX}{end:012x}{public.hex()}"


def _parse(item: Item) -> Signer:
    return canonical.parse_model(Signer, canonical.decode(item.value), what="signer")
