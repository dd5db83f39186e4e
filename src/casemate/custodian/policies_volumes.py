"""Volumes of a policy: what a version asks for, what is kept of it, and keys at release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from casemate.custodian.keeper import Change, Put
from casemate.custodian.policies_book import key_of
from casemate.errors import SecretError
from casemate.policy.model import PolicyDocument
from casemate.secrets.volumes import StoredVolume, VolumeWish, establish_volumes

__all__ = ["MAX_VOLUMES", "keys_in", "volume_changes"]

MAX_VOLUMES: Final = 1024
"""Volumes that one policy accumulates over its history."""


def volume_changes(
    document: PolicyDocument, genesis: str, previous: Mapping[str, StoredVolume], now: datetime
) -> list[Change]:
    """What has to be stored of the volumes of a new version; `SecretError`."""
    if len(set(document.volumes) | set(previous)) > MAX_VOLUMES:
        raise SecretError(
            f"more than {MAX_VOLUMES} volumes over the policy's history",
            step="volumes.count",
            remedy="use names again instead of new ones, or start another policy",
        )
    made = establish_volumes(_wishes(document), previous, now=now)
    return [
        Put(key_of(genesis, f"volumes/{name}"), volume.to_bytes())
        for name, volume in made.items()
        if previous.get(name) != volume
    ]


def keys_in(volumes: Mapping[str, StoredVolume]) -> Callable[[str], bytes]:
    """What a configuration asks for the keys of its volumes."""

    def key(name: str) -> bytes:
        volume = volumes.get(name)
        if volume is None:
            raise SecretError(f"the key of the volume {name} was never made", step="volumes.key")
        return volume.key

    return key


def _wishes(document: PolicyDocument) -> dict[str, VolumeWish]:
    users: dict[str, set[str]] = {name: set() for name in document.volumes}
    for service in document.services.values():
        for mounted in service.volumes.values():
            users[mounted.volume.name].add(service.name)
    return {name: VolumeWish(volume.root, frozenset(users[name])) for name, volume in document.volumes.items()}
