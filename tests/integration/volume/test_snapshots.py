"""Snapshots, as users have them."""

from __future__ import annotations

import json
import os
import signal
import stat
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


def test_a_mounted_volume_is_asked_where_it_is_mounted(sealed: Sealed) -> None:
    def ask(command: str, *arguments: str) -> dict[str, Any]:
        done = sealed.run("snapshot", command, "M", *arguments, "--json")
        said: dict[str, Any] = json.loads(done.stdout)
        return {**said, "exit": done.returncode}

    sealed.mount()
    with (sealed.mountpoint / "file").open("wb") as file:
        file.write(b"before" * 100_000)
        file.flush()
        # Not fsynced, perhaps still the kernel's: what was written is in the snapshot all the same.
        assert ask("create", "s")["exit"] == 0
        file.seek(0)
        file.write(b"AFTER!" * 100_000)
    assert _snapshot(sealed, "create", "t")["exit"] == 93
    assert [entry["name"] for entry in ask("list")["snapshots"]] == ["s"] == _names(sealed)
    again = ask("create", "s")
    assert (again["exit"], "there is a snapshot s already" in again["error"]["message"]) == (2, True)
    assert ask("create", "gone")["exit"] == 0
    assert ask("delete", "gone")["exit"] == 0
    assert sealed.unmount().returncode == 0
    sealed.mount("--snapshot", "s")
    assert (sealed.mountpoint / "file").read_bytes() == b"before" * 100_000
    assert ask("create", "of a snapshot")["exit"] == 90
    assert sealed.unmount().returncode == 0
    assert (_names(sealed), sealed.of("verify", "V")["exit"]) == (["s"], 0)


def test_the_control_socket_is_its_owners_alone(sealed: Sealed) -> None:
    mounts = sealed.root / "home" / "mounts"
    sealed.mount()
    assert [stat.S_IMODE(path.stat().st_mode) for path in mounts.glob("*.control")] == [0o600]
    assert sealed.unmount().returncode == 0
    assert list(mounts.glob("*.control")) == []
    mounts.chmod(0o755)
    refused = sealed.mount()
    assert (refused["exit"], "is open to others: chmod 700 it" in refused["error"]["message"]) == (2, True), refused


def test_a_snapshot_of_a_killed_mount_is_refused_with_the_cure(sealed: Sealed) -> None:
    pid = sealed.mount()["pid"]
    os.kill(pid, signal.SIGKILL)
    refused = sealed.run("snapshot", "create", "M", "s")
    assert (refused.returncode, "mount again" in refused.stderr) == (90, True), refused.stderr
    sealed.unmount()
    assert list((sealed.root / "home" / "mounts").glob("*.control")) == []
    assert _snapshot(sealed, "create", "s")["exit"] == 0
