"""Files that are there once they are whole, whatever becomes of whoever writes them."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from casemate.errors import ImageError
from casemate.image import arising as module
from casemate.image.archives import add_bytes, new_archive
from casemate.image.arising import TEMPORARY, arising
from casemate.image.guarded import Guarded

WRITES = """
import os, signal, sys
from pathlib import Path
from casemate.image.archives import add_bytes, new_archive
with new_archive(Path(sys.argv[1])) as tar:
    add_bytes(tar, "a", bytes(1 << 20))
    tar.fileobj.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["nameless", "named"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With files without a name, and on a file system that has none."""
    opened = os.open

    def refuses(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return opened(path, flags, *more, **named)

    if request.param == "named":
        monkeypatch.setattr(module.os, "open", refuses)
    found: str = request.param
    return found


def write(folder: Path, name: str, data: bytes, error: Exception | None = None) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with arising(descriptor, lambda: name, mode=0o640) as file:
            file.write(data)
            if error is not None:
                raise error
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("before", [None, b"old"])
def test_it_stands_there_whole_and_nothing_beside_it(tmp_path: Path, known: str, before: bytes | None) -> None:
    if before is not None:
        (tmp_path / "x").write_bytes(before)
    write(tmp_path, "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert ((tmp_path / "x").read_bytes(), (tmp_path / "x").stat().st_mode & 0o777) == (b"new", 0o640)


def test_a_link_is_replaced_and_never_followed(tmp_path: Path, known: str) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "x").symlink_to("there")
    write(tmp_path, "x", b"new")
    assert ((tmp_path / "x").is_symlink(), (tmp_path / "there").read_bytes()) == (False, b"old")


def test_what_fails_leaves_what_was_there(tmp_path: Path, known: str) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, "x", b"new", ZeroDivisionError())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"old"}


def test_before_its_end_it_has_no_name(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with arising(descriptor, lambda: "x", mode=0o640) as file:
        file.write(b"half")
        assert list(tmp_path.iterdir()) == []
    os.close(descriptor)


def test_where_it_must_have_one_it_is_a_temporary_one(tmp_path: Path, known: str) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with arising(descriptor, lambda: "x", mode=0o640):
        names = [path.name for path in tmp_path.iterdir()]
    os.close(descriptor)
    assert len(names) == (known == "named")
    assert all(re.fullmatch(TEMPORARY, name) for name in names)


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bytes | None]]:
    """What is brought to the disk: a file or a folder, how much of it there is, and what is called `x` by then."""
    found: list[tuple[str, int, bytes | None]] = []
    reached = os.fsync

    def noting(descriptor: int) -> None:
        status = os.fstat(descriptor)
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "file"
        there = (tmp_path / "x").read_bytes() if (tmp_path / "x").exists() else None
        found.append((kind, status.st_size if kind == "file" else 0, there))
        reached(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    return found


@pytest.mark.parametrize("before", [None, b"old"])
def test_its_bytes_are_on_the_disk_before_its_name_and_its_name_before_its_end(
    tmp_path: Path, known: str, synced: list[tuple[str, int, bytes | None]], before: bytes | None
) -> None:
    if before is not None:
        (tmp_path / "x").write_bytes(before)
    write(tmp_path, "x", b"new")
    assert synced == [("file", 3, before), ("folder", 0, b"new")]


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_that_is_moved_is_on_the_disk_before_its_name(
    tmp_path: Path, synced: list[tuple[str, int, bytes | None]], before: bytes | None
) -> None:
    if before is not None:
        (tmp_path / "x").write_bytes(before)
    (tmp_path / "y").write_bytes(b"new")
    Guarded(tmp_path).adopt(tmp_path / "y", "", "x")
    assert synced == [("file", 3, before), ("folder", 0, b"new")]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_archive_whose_writer_is_killed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    done = subprocess.run([sys.executable, "-c", WRITES, tmp_path / "work" / "a.tar"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "work").iterdir()) == []


def test_an_archive_into_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as refused, new_archive(tmp_path / "no" / "a.tar") as tar:
        add_bytes(tar, "a", b"")
    assert refused.value.step == "image.write"
