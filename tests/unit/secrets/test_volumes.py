"""Keys of volumes over the versions of a policy: made once, and never for anything else than they were made for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from casemate.errors import SecretError
from casemate.secrets.volumes import StoredVolume, VolumeWish, establish_volumes

NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
HASH, TAG = VolumeWish("hash", frozenset({"api"})), VolumeWish("tag", frozenset({"api"}))
NOBODYS = VolumeWish("tag", frozenset())


def made(wishes: dict[str, VolumeWish], previous: dict[str, StoredVolume] | None = None) -> dict[str, StoredVolume]:
    return establish_volumes(wishes, previous or {}, now=NOW)


def test_each_volume_has_a_key_of_its_own() -> None:
    volumes = made({"a": HASH, "b": HASH})
    assert len(volumes["a"].key) == 32
    assert volumes["a"].key != volumes["b"].key


def test_a_key_is_made_once() -> None:
    first = made({"a": HASH})
    assert made({"a": VolumeWish("hash", frozenset({"api", "more"})), "b": HASH}, first)["a"] == first["a"]


def test_what_is_stored_is_read_back_and_prints_no_key() -> None:
    volume = made({"a": TAG})["a"]
    assert StoredVolume.from_bytes(volume.to_bytes()) == volume
    assert volume.secret.material["value"].decode() not in repr(volume)


def test_a_root_never_changes() -> None:
    with pytest.raises(SecretError) as caught:
        made({"a": TAG}, made({"a": HASH}))
    assert (caught.value.step, caught.value.expected, caught.value.got) == ("volumes.root", "root: hash", "root: tag")


def test_the_key_of_a_tag_volume_never_reaches_a_second_service() -> None:
    first = made({"a": NOBODYS})
    assert first["a"].service is None
    mounted = made({"a": TAG}, first)
    assert (mounted["a"].service, mounted["a"].key) == ("api", first["a"].key)
    unmounted = made({"a": NOBODYS}, mounted)
    assert unmounted == mounted
    with pytest.raises(SecretError) as caught:
        made({"a": VolumeWish("tag", frozenset({"other"}))}, unmounted)
    assert (caught.value.step, caught.value.expected) == ("volumes.service", "services.api")


def test_a_hash_volume_may_move() -> None:
    first = made({"a": HASH})
    assert made({"a": VolumeWish("hash", frozenset({"other"}))}, first) == first
