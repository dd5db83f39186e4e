"""Keys of sealed volumes: made when the version that first names the volume is accepted, and again only to rekey.

A volume that leaves the document keeps its key, and what was promised of it: its root, and for `tag` the one service
that may have the key. So nothing that a later version says can turn a key against those who relied on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from casemate.errors import SecretError
from casemate.secrets.keyring import StoredSecret, establish
from casemate.secrets.kinds.volume_key import VolumeKeySpec
from casemate.wire import canonical
from casemate.wire.fields import Model, ServiceName, Time, b64u_decode

__all__ = ["StoredVolume", "VolumeWish", "establish_volumes", "key_of", "new_key"]


@dataclass(frozen=True, slots=True)
class VolumeWish:
    """What a version says of a volume: its root, and the services that mount it."""

    root: Literal["tag", "hash"]
    services: frozenset[str]


class StoredVolume(Model):
    """What is kept of a volume. `service` is the one that has the key of a `tag` volume, once there is one; `rekeyed`
    is when its key became the key.
    """

    root: Literal["tag", "hash"]
    service: ServiceName | None = None
    secret: StoredSecret
    rekeyed: Time | None = None

    @property
    def key(self) -> bytes:
        return key_of(self.secret)

    def to_bytes(self) -> bytes:
        return canonical.encode(self.to_object())

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredVolume:
        return canonical.parse_model(cls, canonical.decode(data), what="stored volume")


def establish_volumes(
    wishes: Mapping[str, VolumeWish],
    previous: Mapping[str, StoredVolume],
    *,
    now: datetime,
    rng: Callable[[int], bytes] = secrets.token_bytes,
) -> dict[str, StoredVolume]:
    """The volumes of a version: kept where they were ever there, made where they are new. `SecretError`."""
    return {name: _one(name, wish, previous.get(name), now, rng) for name, wish in sorted(wishes.items())}


def _one(
    name: str, wish: VolumeWish, old: StoredVolume | None, now: datetime, rng: Callable[[int], bytes]
) -> StoredVolume:
    if old is None:
        return StoredVolume(root=wish.root, service=_keeper(wish), secret=new_key(name, now, rng))
    if wish.root != old.root:
        raise SecretError(
            f"the root of the volume {name} would change, and what it binds cannot",
            step="volumes.root",
            expected=f"root: {old.root}",
            got=f"root: {wish.root}",
            remedy="make a new volume under another name, and copy the files",
        )
    mine = _keeper(wish)
    if old.service is not None and mine not in {None, old.service}:
        raise SecretError(
            f"the key of the volume {name} would reach a second service, and its root is tag",
            step="volumes.service",
            expected=f"services.{old.service}",
            got=f"services.{mine}",
            remedy="make a volume with root: hash for it, and copy the files",
        )
    return old if old.service is not None or mine is None else old.model_copy(update={"service": mine})


def _keeper(wish: VolumeWish) -> str | None:
    """The service that has the key of a `tag` volume; documents name at most one."""
    return min(wish.services, default=None) if wish.root == "tag" else None


def new_key(name: str, now: datetime, rng: Callable[[int], bytes] = secrets.token_bytes) -> StoredSecret:
    """A key for the volume `name`, of 32 random bytes."""
    spec = VolumeKeySpec(kind="volume-key")
    return establish({name: spec}, {}, {}, open_value=_no_value, now=now, rng=rng)[name]


def key_of(secret: StoredSecret) -> bytes:
    """The bytes of a volume's key."""
    return b64u_decode(secret.material["value"].decode("ascii"))


def _no_value(name: str, _sealed: bytes, _commitment: str) -> bytes:
    raise SecretError(f"the key of {name} is made here and never brought", step="volumes.key")
