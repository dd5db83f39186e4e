"""Snapshots, as users have them."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Sealed


def _snapshot(sealed: Sealed, command: str, *arguments: str) -> dict[str, Any]:
    return sealed.of("snapshot", command, "V", *arguments)


def _write(sealed: Sealed, content: bytes) -> None:
    assert sealed.mount()["exit"] == 0
    (sealed.mountpoint / "file").write_bytes(content)
    assert sealed.unmount().returncode == 0


def _names(sealed: Sealed) -> list[str]:
    return [entry["name"] for entry in _snapshot(sealed, "list")["snapshots"]]


def test_a_snapshot_shows_what_was_there(sealed: Sealed) -> None:
    for name in ("monday", "tuesday"):
        _write(sealed, name.encode() * 50_000)
        assert _snapshot(sealed, "create", name)["exit"] == 0
    _write(sealed, b"")
    assert _names(sealed) == ["monday", "tuesday"]
    for name in ("monday", "tuesday"):
        assert sealed.mount("--snapshot", name)["exit"] == 0
        assert (sealed.mountpoint / "file").read_bytes() == name.encode() * 50_000
        with pytest.raises(OSError, match="Read-only"):
            (sealed.mountpoint / "file").write_bytes(b"")
        assert sealed.unmount().returncode == 0
    for command in ("check", "verify"):
        assert sealed.of(command, "V")["exit"] == 0


def test_a_deletion_gives_its_space_back(sealed: Sealed) -> None:
    before = sealed.of("info", "V")["free"]
    _write(sealed, b"x" * 5_000_000)
    _snapshot(sealed, "create", "s")
    _write(sealed, b"")
    assert sealed.of("info", "V")["free"] < before - 5_000_000
    assert _snapshot(sealed, "delete", "s")["exit"] == 0
    assert sealed.of("info", "V")["free"] > before - 500_000
    assert (_names(sealed), sealed.of("verify", "V")["exit"]) == ([], 0)


def test_what_is_wrong_with_a_name_is_said(sealed: Sealed) -> None:
    _snapshot(sealed, "create", "s")
    for done, text in (
        (_snapshot(sealed, "create", "s"), "there is a snapshot s already"),
        (_snapshot(sealed, "create", "a/b"), "is no name of a snapshot"),
        (_snapshot(sealed, "delete", "t"), "there is no snapshot t"),
        (sealed.mount("--snapshot", "t"), "there is no snapshot t"),
    ):
        assert done["exit"] == 2, done
        assert text in done["error"]["message"]


def test_a_snapshot_of_an_older_copy_of_the_volume_is_refused(sealed: Sealed) -> None:
    _snapshot(sealed, "create", "s")
    older = {path: path.read_bytes() for path in sealed.folder.iterdir()}
    _write(sealed, b"newer")
    for path, content in older.items():
        path.write_bytes(content)
    assert sealed.mount("--snapshot", "s")["exit"] == 92
