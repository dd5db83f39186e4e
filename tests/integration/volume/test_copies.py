"""Into a volume and out of it, whole; and what is left of a damaged one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import Sealed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree with everything that a file system knows."""
    root = tmp_path / "source"
    (root / "folder" / "empty").mkdir(parents=True)
    (root / "folder" / "file").write_bytes(os.urandom(300_000))
    (root / "small").write_text("small")
    (root / "small").chmod(0o604)
    os.link(root / "small", root / "folder" / "again")
    os.symlink("../small", root / "folder" / "link")
    os.mkfifo(root / "pipe", 0o640)
    with (root / "sparse").open("wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
    os.setxattr(root / "small", "user.word", b"value")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, ns=(10**18 + number, 10**18 + 2 * number), follow_symlinks=False)
    return root


def _described(root: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        target = os.readlink(path) if path.is_symlink() else ""
        words = sorted(
            (name, os.getxattr(path, name, follow_symlinks=False)) for name in os.listxattr(path, follow_symlinks=False)
        )
        time = status.st_mtime_ns if path.is_file() and not path.is_symlink() else 0
        links = status.st_nlink if not path.is_dir() else 0
        found[str(path.relative_to(root))] = (status.st_mode, links, content, target, words, time)
    return found


def test_what_is_imported_is_exported_the_same(sealed: Sealed, source: Path) -> None:
    imported = sealed.of("import", "V", "source")
    assert (imported["exit"], imported["files"]) == (0, 8), imported
    exported = sealed.of("export", "V", "copy")
    assert (exported["exit"], exported["files"]) == (0, 8), exported
    assert _described(sealed.root / "copy") == _described(source)
    used = subprocess.run(["du", "-s", sealed.root / "copy"], capture_output=True, text=True, check=True).stdout
    assert int(used.split()[0]) < 2000


def test_an_import_replaces_nothing(sealed: Sealed, source: Path) -> None:
    sealed.of("import", "V", "source")
    again = sealed.of("import", "V", "source")
    assert (again["exit"], "exists" in again["error"]["message"]) == (90, True)
    assert sealed.of("verify", "V")["exit"] == 0


def test_an_export_needs_a_new_folder(sealed: Sealed, source: Path) -> None:
    refused = sealed.of("export", "V", "source")
    assert (refused["exit"], "exists" in refused["error"]["message"]) == (90, True)


def test_a_damaged_volume_gives_up_what_verifies_and_names_the_rest(sealed: Sealed, source: Path) -> None:
    sealed.of("import", "V", "source")
    _damage(sealed, (source / "folder" / "file").stat().st_size)
    assert sealed.of("export", "V", "copy")["exit"] == 91
    told = sealed.run("salvage", "V", "rescued", "--key-file", "K")
    assert (told.returncode, "folder/file" in told.stderr, "Nothing of this is proven" in told.stderr) == (
        91,
        True,
        True,
    )
    rescued, whole = _described(sealed.root / "rescued"), _described(source)
    assert set(whole) - set(rescued) == {"folder/file"}
    assert all(rescued[name][2] == whole[name][2] for name in rescued)


def _damage(sealed: Sealed, size: int) -> None:
    """Finds a block of the largest file: one whose change hurts nothing else."""
    segment = sealed.folder / "segment-00000000"
    whole = segment.read_bytes()
    for offset in range(0, len(whole), 4096):
        changed = bytearray(whole)
        changed[offset] ^= 1
        segment.write_bytes(changed)
        said = sealed.of("verify", "V")
        if said["exit"] == 91 and "data of a file" in said["error"]["message"]:
            return
    pytest.fail(f"no block of {size} bytes of data was found")


def test_a_check_reads_no_data_and_writes_nothing(sealed: Sealed, source: Path) -> None:
    sealed.of("import", "V", "source")
    before = {path.name: path.read_bytes() for path in sealed.folder.iterdir()}
    checked = sealed.of("check", "V")
    assert (checked["exit"], checked["found"], checked["findings"]) == (0, 0, []), checked
    assert checked["inodes"] >= 8
    assert {path.name: path.read_bytes() for path in sealed.folder.iterdir()} == before
    _damage(sealed, (source / "folder" / "file").stat().st_size)
    assert sealed.of("check", "V")["exit"] == 0


def test_a_check_refuses_a_changed_tree(sealed: Sealed, source: Path) -> None:
    sealed.of("import", "V", "source")
    segment = sealed.folder / "segment-00000000"
    whole = segment.read_bytes()
    segment.write_bytes(bytes(byte ^ 1 for byte in whole))
    refused = sealed.of("check", "V")
    assert (refused["exit"], "is not what was written" in refused["error"]["message"]) == (91, True), refused
