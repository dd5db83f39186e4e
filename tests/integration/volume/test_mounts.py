"""A mount from its start to its end."""

from __future__ import annotations

import io
import mmap
import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CASEMATE, Sealed


def test_the_documented_line_works_as_written(sealed: Sealed, tmp_path: Path) -> None:
    line = (
        "mkdir m && casemate volume create v --key-file k --anchor file:a"
        " && casemate volume mount v m --key-file k --anchor file:a && casemate volume unmount m"
    )
    environment = {
        "PATH": f"{CASEMATE.parent}:{os.environ['PATH']}",
        "CASEMATE_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        ["sh", "-ec", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "unmounted" in done.stdout) == (0, True), done.stderr


def test_what_was_written_is_there_after_the_next_mount(sealed: Sealed) -> None:
    sealed.mount()
    (sealed.mountpoint / "folder").mkdir()
    (sealed.mountpoint / "folder" / "file").write_bytes(b"content" * 100_000)
    assert sealed.unmount().returncode == 0
    sealed.mount()
    assert (sealed.mountpoint / "folder" / "file").read_bytes() == b"content" * 100_000


def test_files_do_what_programs_expect(sealed: Sealed) -> None:
    sealed.mount()
    root = sealed.mountpoint
    (root / "a").write_text("one")
    os.link(root / "a", root / "b")
    os.symlink("a", root / "c")
    (root / "b").rename(root / "d")
    os.setxattr(root / "a", "user.word", b"value")
    os.utime(root / "a", ns=(5, -7))
    os.chmod(root / "a", 0o640)
    status = (root / "d").stat()
    assert (status.st_nlink, status.st_mode & 0o777, status.st_mtime_ns) == (2, 0o640, -7)
    assert os.getxattr(root / "d", "user.word") == b"value"
    assert os.readlink(root / "c") == "a"
    assert sorted(entry.name for entry in os.scandir(root)) == ["a", "c", "d"]
    assert not (root / "b").exists()


def test_an_open_file_without_a_name_lives_until_it_is_closed(sealed: Sealed) -> None:
    sealed.mount()
    with (sealed.mountpoint / "file").open("w+b") as file:
        file.write(b"x" * 5_000_000)
        file.flush()
        os.fsync(file.fileno())
        (sealed.mountpoint / "file").unlink()
        file.seek(4_999_999)
        assert file.read() == b"x"
    sealed.unmount()
    sealed.mount()
    assert list(sealed.mountpoint.iterdir()) == []


def test_mapped_memory_is_the_file(sealed: Sealed) -> None:
    sealed.mount()
    path = sealed.mountpoint / "file"
    path.write_bytes(bytes(10_000))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[4090:4100] = b"0123456789"
        mapped.flush()
        assert os.pread(file.fileno(), 10, 4090) == b"0123456789"
    sealed.unmount()
    sealed.mount()
    assert path.read_bytes()[4090:4100] == b"0123456789"


@pytest.mark.parametrize(("journal", "synchronous"), [("WAL", "FULL"), ("DELETE", "EXTRA")])
def test_sqlite_keeps_its_promises_through_kill_9(sealed: Sealed, journal: str, synchronous: str) -> None:
    pid = sealed.mount()["pid"]
    database = sqlite3.connect(sealed.mountpoint / "db", isolation_level=None)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("CREATE TABLE t (n INTEGER)")
    for number in range(100):
        database.execute("INSERT INTO t VALUES (?)", (number,))
    sealed.kill(pid)
    sealed.mount()
    again = sqlite3.connect(sealed.mountpoint / "db")
    assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert again.execute("SELECT count(*) FROM t").fetchone() == (100,)
    again.close()


WRITER = """
import os, sys
number = 0
while True:
    with open(f"{sys.argv[1]}/{number}", "wb") as file:
        file.write(str(number).encode() * 1000)
        file.flush()
        os.fsync(file.fileno())
    print(number, flush=True)
    number += 1
"""


def test_kill_9_takes_nothing_that_an_fsync_acknowledged(sealed: Sealed) -> None:
    for _ in range(3):
        pid = sealed.mount()["pid"]
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(sealed.mountpoint)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
        sealed.kill(pid)
        writer.kill()
        acknowledged += [int(line) for line in writer.communicate()[0].splitlines() if line.strip()]
        sealed.mount()
        for number in acknowledged:
            assert (sealed.mountpoint / str(number)).read_bytes() == str(number).encode() * 1000
        sealed.unmount()


def test_a_full_volume_says_so_and_can_be_emptied(sealed: Sealed) -> None:
    sealed.mount()
    with (sealed.mountpoint / "big").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        _write_and_fsync(file, 300)
    (sealed.mountpoint / "big").unlink()
    (sealed.mountpoint / "small").write_bytes(b"y" * 1_000_000)
    assert sealed.unmount().returncode == 0
    sealed.mount()
    assert (sealed.mountpoint / "small").read_bytes() == b"y" * 1_000_000


def _write_and_fsync(file: io.RawIOBase, megabytes: int) -> None:
    for _ in range(megabytes):
        file.write(b"x" * (1 << 20))
        os.fsync(file.fileno())


def test_foreground_ends_with_a_signal_and_loses_nothing(sealed: Sealed) -> None:
    environment = {**os.environ, "CASEMATE_HOME": str(sealed.root / "home")}
    line = f"{CASEMATE} volume mount V M --key-file K --anchor file:A --foreground --json"
    process = subprocess.Popen(
        shlex.split(line), cwd=sealed.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"mounted" in b"".join(process.stdout.readline() for _ in range(2))
    (sealed.mountpoint / "file").write_bytes(b"content")
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    sealed.mount()
    assert (sealed.mountpoint / "file").read_bytes() == b"content"


def test_unmounting_what_is_in_use_is_refused_and_works_later(sealed: Sealed) -> None:
    sealed.mount()
    with (sealed.mountpoint / "file").open("wb"):
        refused = sealed.unmount()
        assert (refused.returncode, "busy" in refused.stderr) == (90, True)
    assert sealed.unmount().returncode == 0


def test_a_reader_beside_a_writer_sees_what_the_anchor_has(sealed: Sealed) -> None:
    sealed.mount()
    (sealed.root / "R").mkdir()
    with (sealed.mountpoint / "file").open("wb") as file:
        file.write(b"first")
        file.flush()
        os.fsync(file.fileno())
        assert sealed.of("mount", "V", "R", "--read-only")["exit"] == 0
        file.write(b"second")
        os.fsync(file.fileno())
    assert (sealed.root / "R" / "file").read_bytes() == b"first"
    with pytest.raises(OSError, match="Read-only"):
        (sealed.root / "R" / "other").touch()
    assert sealed.unmount("R").returncode == 0


def test_a_killed_mount_is_named_and_cleared(sealed: Sealed) -> None:
    pid = sealed.mount()["pid"]
    os.kill(pid, 9)
    subprocess.run(
        ["sh", "-c", "until ! stat -f M >/dev/null 2>&1; do :; done"], cwd=sealed.root, check=True, timeout=30
    )
    refused = sealed.mount()
    assert (refused["exit"], "unmount" in refused["error"]["remedy"]) == (2, True), refused
    ended = sealed.unmount()
    assert (ended.returncode, "did not say how it ended" in ended.stderr) == (90, True)
    assert sealed.mount()["exit"] == 0
