"""Whatever the host puts in a file's place: bytes up to a limit, or an error, at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from casemate.custodian import host_files
from casemate.custodian.keys.master import MASTER_FILE, create_master, open_master
from casemate.errors import StoreError, StoreKeyError

SEALING = bytes(range(32))


@pytest.mark.parametrize(("size", "fits"), [(0, True), (9, True), (10, True), (11, False), (10_000, False)])
def test_a_file_is_read_up_to_its_limit(tmp_path: Path, size: int, fits: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    if fits:
        assert host_files.read_file(path, 10) == bytes(size)
    else:
        with pytest.raises(OSError, match="too large"):
            host_files.read_file(path, 10)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe that nobody writes": lambda path: os.mkfifo(path),
    "a link to a file": lambda path: path.symlink_to(__file__),
    "a link to a device": _device,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_only_regular_files_are_read(tmp_path: Path, place: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    place(path)
    with pytest.raises(OSError, match=r"No such file|regular|Is a directory|symbolic links"):
        host_files.read_file(path, 10)


def test_writing_replaces_whole_or_refuses(tmp_path: Path) -> None:
    path = tmp_path / "file"
    host_files.write_file(path, b"one", replace=False)
    with pytest.raises(FileExistsError):
        host_files.write_file(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    host_files.write_file(path, b"three", replace=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"three", 0o600)


def test_a_write_never_changes_what_a_link_beside_it_names(tmp_path: Path) -> None:
    """After a crash the half-made name and the finished one can be one file."""
    path, precious = tmp_path / "file", tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "file.new").hardlink_to(precious)
    host_files.write_file(path, b"new", replace=False)
    assert (path.read_bytes(), precious.read_bytes()) == (b"new", b"precious")


def test_the_master_key_comes_back_for_the_platforms_key_only(tmp_path: Path) -> None:
    master = create_master(tmp_path, SEALING)
    assert open_master(tmp_path, SEALING) == master
    with pytest.raises(StoreKeyError) as refused:
        open_master(tmp_path, bytes(32))
    assert refused.value.step == "keys.master"
    assert master not in (tmp_path / MASTER_FILE).read_bytes()


@pytest.mark.parametrize("position", [0, 1, 12, 13, 44, 45, 60])
def test_a_changed_master_file_is_refused(tmp_path: Path, position: int) -> None:
    create_master(tmp_path, SEALING)
    path = tmp_path / MASTER_FILE
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreKeyError):
        open_master(tmp_path, SEALING)


@pytest.mark.parametrize("size", [0, 1, 12, 13, 28, 60])
def test_a_master_file_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    create_master(tmp_path, SEALING)
    path = tmp_path / MASTER_FILE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StoreKeyError):
        open_master(tmp_path, SEALING)


@pytest.mark.parametrize("place", [*PLACES.values(), lambda path: path.write_bytes(bytes(62))], ids=[*PLACES, "more"])
def test_no_master_file_is_an_error_that_says_so(tmp_path: Path, place: Callable[[Path], object]) -> None:
    place(tmp_path / MASTER_FILE)
    with pytest.raises(StoreError) as refused:
        open_master(tmp_path, SEALING)
    assert (type(refused.value), refused.value.step) == (StoreError, "keys.master")
