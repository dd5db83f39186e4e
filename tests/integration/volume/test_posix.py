"""What programs may rely on, as they see it through the kernel. docs/reference/posix.md lists what does not hold."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import Sealed

MEBIBYTE = 1 << 20
LARGEST = 1 << 44
PAGE = 4096
FORGETS_WITHIN = 30


@pytest.fixture
def root(sealed: Sealed) -> Path:
    sealed.mount()
    return sealed.mountpoint


@pytest.fixture
def opened(root: Path) -> Iterator[int]:
    """An empty file, open for reading and writing."""
    descriptor = os.open(root / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def fails_with(number: int, call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == number
    return False


def elsewhere(program: str, *arguments: object) -> str:
    """What another process prints."""
    line = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


def _times(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_ctime_ns


class TestHoles:
    def test_data_that_the_kernel_still_holds_is_no_hole(self, opened: int) -> None:
        """Nothing is flushed here: a copy that skips holes must not skip what was just written."""
        os.ftruncate(opened, 10 * MEBIBYTE)
        os.pwrite(opened, b"x" * PAGE, 3 * MEBIBYTE)
        assert os.lseek(opened, 0, os.SEEK_DATA) == 3 * MEBIBYTE
        assert os.lseek(opened, 3 * MEBIBYTE, os.SEEK_HOLE) == 3 * MEBIBYTE + PAGE
        os.pwrite(opened, b"x" * PAGE, 3 * MEBIBYTE + PAGE)
        assert os.lseek(opened, 3 * MEBIBYTE, os.SEEK_HOLE) == 3 * MEBIBYTE + 2 * PAGE
        os.pwrite(opened, b"x", 12 * MEBIBYTE)
        assert os.lseek(opened, 4 * MEBIBYTE, os.SEEK_DATA) == 12 * MEBIBYTE
        assert os.lseek(opened, 12 * MEBIBYTE, os.SEEK_HOLE) == 12 * MEBIBYTE + 1

    def test_data_written_through_a_map_are_no_hole(self, opened: int) -> None:
        os.ftruncate(opened, 10 * MEBIBYTE)
        with mmap.mmap(opened, 10 * MEBIBYTE) as mapped:
            mapped[5 * MEBIBYTE] = 7
            assert os.lseek(opened, 0, os.SEEK_DATA) == 5 * MEBIBYTE
            assert mapped[5 * MEBIBYTE] == 7

    def test_what_is_punched_is_a_hole_and_reads_as_zeros(self, opened: int) -> None:
        os.pwrite(opened, b"x" * MEBIBYTE, 0)
        allocate(opened, KEEP_SIZE | PUNCH_HOLE, 100_000, 500_000)
        hole = os.lseek(opened, 0, os.SEEK_HOLE)
        data = os.lseek(opened, hole, os.SEEK_DATA)
        assert (100_000 <= hole < 110_000, 590_000 < data <= 600_000) == (True, True)
        assert os.pread(opened, MEBIBYTE, 0) == b"x" * 100_000 + bytes(500_000) + b"x" * (MEBIBYTE - 600_000)

    def test_many_threads_and_processes_may_look_at_once(self, root: Path) -> None:
        """Each search has the kernel write, while all that answer requests are busy with searches."""
        program = (
            "import os, sys\n"
            "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
            "for number in range(100):\n"
            "    os.ftruncate(file, 0)\n"
            "    os.pwrite(file, b'x', (number + 1) << 20)\n"
            "    assert os.lseek(file, 0, os.SEEK_DATA) == (number + 1) << 20\n"
        )
        line = [sys.executable, "-c", program]
        running = [subprocess.Popen([*line, str(root / f"file-{number}")]) for number in range(8)]
        assert [process.wait(timeout=120) for process in running] == [0] * 8

    def test_the_largest_file_has_16_tib_and_takes_no_room(self, root: Path, opened: int) -> None:
        before = os.statvfs(root).f_bfree
        os.pwrite(opened, b"end", LARGEST - 3)
        os.fsync(opened)
        assert os.fstat(opened).st_size == LARGEST
        assert os.pread(opened, 10, LARGEST - 3) == b"end"
        assert os.lseek(opened, 0, os.SEEK_DATA) == LARGEST - PAGE
        assert before - os.statvfs(root).f_bfree < 100
        assert fails_with(errno.EFBIG, lambda: os.ftruncate(opened, LARGEST + 1))


KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 0x01, 0x02, 0x08, 0x10, 0x20


def allocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.fallocate(descriptor, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class TestDirect:
    @pytest.mark.parametrize(("offset", "length"), [(0, 2 * PAGE), (PAGE, PAGE), (513, 700), (PAGE - 1, 2)])
    def test_what_passes_the_cache_agrees_with_what_goes_through_it(self, root: Path, offset: int, length: int) -> None:
        """Aligned or not."""
        (root / "file").write_bytes(b"o" * 5 * PAGE)
        direct = os.open(root / "file", os.O_RDWR | os.O_DIRECT)
        with mmap.mmap(-1, 4 * PAGE) as memory:
            memory[:length] = b"n" * length
            assert os.pwritev(direct, [memoryview(memory)[:length]], offset) == length
            expected = b"o" * offset + b"n" * length + b"o" * (5 * PAGE - offset - length)
            assert (root / "file").read_bytes() == expected
            with (root / "file").open("r+b") as file:
                file.seek(offset)
                file.write(b"b" * length)
            assert os.preadv(direct, [memoryview(memory)[:length]], offset) == length
            assert memory[:length] == b"b" * length
        os.close(direct)


class TestLocks:
    LOCK = (
        "import fcntl, os, sys\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "try: {call}\n"
        "except OSError as error: print(error.strerror)\n"
        "else: print('locked')\n"
    )

    def test_a_range_that_another_process_locked_is_locked(self, root: Path, opened: int) -> None:
        fcntl.lockf(opened, fcntl.LOCK_EX, 100, 50)
        lock = self.LOCK.format(call="fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *map(int, sys.argv[2:]))")
        assert elsewhere(lock, root / "file", 10, 145) == "Resource temporarily unavailable"
        assert elsewhere(lock, root / "file", 50, 0) == "locked"
        fcntl.lockf(opened, fcntl.LOCK_UN, 20, 50)
        assert elsewhere(lock, root / "file", 20, 50) == "locked"
        assert elsewhere(lock, root / "file", 80, 70) == "Resource temporarily unavailable"

    def test_a_whole_file_that_another_process_locked_is_locked(self, root: Path, opened: int) -> None:
        lock = self.LOCK.format(call="fcntl.flock(file, int(sys.argv[2]) | fcntl.LOCK_NB)")
        fcntl.flock(opened, fcntl.LOCK_SH)
        assert elsewhere(lock, root / "file", int(fcntl.LOCK_SH)) == "locked"
        assert elsewhere(lock, root / "file", int(fcntl.LOCK_EX)) == "Resource temporarily unavailable"
        fcntl.flock(opened, fcntl.LOCK_UN)
        assert elsewhere(lock, root / "file", int(fcntl.LOCK_EX)) == "locked"

    def test_a_lock_goes_with_its_process(self, root: Path, opened: int) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", self.LOCK.format(call="fcntl.lockf(file, fcntl.LOCK_EX)") + "sys.stdout.flush()\n"
             "import signal; signal.pause()", str(root / "file")], stdout=subprocess.PIPE,
        )  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        assert fails_with(errno.EAGAIN, lambda: fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB))
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


class TestMaps:
    def test_processes_share_what_they_map(self, root: Path, opened: int) -> None:
        os.ftruncate(opened, 2 * PAGE)
        program = (
            "import mmap, sys\n"
            "with open(sys.argv[1], 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped:\n"
            "    print(mapped[PAGE - 2:PAGE + 2].decode()); mapped[:5] = b'there'\n"
        ).replace("PAGE", str(PAGE))
        with mmap.mmap(opened, 2 * PAGE) as mapped:
            mapped[PAGE - 2 : PAGE + 2] = b"here"
            assert elsewhere(program, root / "file") == "here"
            assert mapped[:5] == b"there"
        assert (root / "file").read_bytes()[:5] == b"there"

    def test_a_private_map_changes_nothing(self, root: Path) -> None:
        (root / "file").write_bytes(b"o" * PAGE)
        with (root / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            mapped[:3] = b"new"
            assert (root / "file").read_bytes() == b"o" * PAGE

    def test_a_program_is_run_from_the_volume(self, sealed: Sealed, root: Path) -> None:
        (root / "true").write_bytes(Path("/bin/true").read_bytes())
        (root / "true").chmod(0o755)
        assert subprocess.run([root / "true"], check=False).returncode == 0
        sealed.unmount()
        sealed.mount()
        assert subprocess.run([root / "true"], check=False).returncode == 0


class TestNames:
    def test_a_name_has_up_to_255_bytes_of_any_kind(self, root: Path) -> None:
        names = [b"n" * 255, bytes(byte for byte in range(1, 256) if byte != ord("/")), "ö".encode() * 127]
        for name in names:
            os.close(os.open(os.path.join(os.fsencode(root), name), os.O_CREAT))
        assert sorted(os.listdir(os.fsencode(root))) == sorted(names)
        assert fails_with(errno.ENAMETOOLONG, lambda: (root / ("n" * 256)).touch())

    def test_a_listing_has_what_stays_once_while_all_else_changes(self, root: Path) -> None:
        for number in range(3000):
            (root / f"stays-{number}").touch()
            (root / f"goes-{number}").touch()
        seen = []
        with os.scandir(root) as entries:
            for number, entry in enumerate(entries):
                seen.append(entry.name)
                if number < 3000:
                    (root / f"goes-{2999 - number}").unlink()
                    (root / f"comes-{number}").touch()
        assert sorted(name for name in seen if name.startswith("stays")) == sorted(f"stays-{n}" for n in range(3000))
        assert len(seen) == len(set(seen))

    def test_files_of_all_kinds_stay_what_they_are(self, sealed: Sealed, root: Path) -> None:
        os.mkfifo(root / "pipe", 0o640)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(root / "socket"))
        kinds = [(root / "pipe", stat.S_ISFIFO), (root / "socket", stat.S_ISSOCK)]
        if os.getuid() == 0:
            os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 300))
            kinds.append((root / "device", stat.S_ISCHR))
        sealed.unmount()
        sealed.mount()
        assert [kind(path.lstat().st_mode) for path, kind in kinds] == [True] * len(kinds)
        if os.getuid() == 0:
            assert (root / "device").stat().st_rdev == os.makedev(1, 300)
            assert fails_with(errno.EACCES, lambda: (root / "device").open()), "mounted for one user, without devices"


class TestAppends:
    def test_lines_that_processes_append_at_once_are_all_there(self, root: Path) -> None:
        program = (
            "import os, sys\n"
            "file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
            "for number in range(500): os.write(file, f'{sys.argv[2]}-{number}{chr(10)}'.encode())\n"
        )
        line = [sys.executable, "-c", program, str(root / "log")]
        running = [subprocess.Popen([*line, str(number)]) for number in range(4)]
        assert [process.wait() for process in running] == [0] * 4
        expected = {f"{process}-{number}" for process in range(4) for number in range(500)}
        lines = (root / "log").read_text().splitlines()
        assert (len(lines), set(lines)) == (2000, expected)


class TestAttributes:
    @pytest.mark.parametrize("name", ["user.word", "trusted.word", "security.word"])
    def test_a_value_has_up_to_4096_bytes(self, root: Path, name: str) -> None:
        if os.getuid() and not name.startswith("user."):
            pytest.skip("for root only")
        (root / "file").touch()
        for value in (b"", b"v" * 4096):
            os.setxattr(root / "file", name, value)
            assert os.getxattr(root / "file", name) == value
        assert fails_with(errno.E2BIG, lambda: os.setxattr(root / "file", name, b"v" * 4097))
        assert os.listxattr(root / "file") == [name]

    def test_hundreds_of_them_are_kept(self, sealed: Sealed, root: Path) -> None:
        (root / "file").touch()
        names = {f"user.{number:03}-{'n' * 100}" for number in range(300)}
        for name in names:
            os.setxattr(root / "file", name, name.encode())
        sealed.unmount()
        sealed.mount()
        assert set(os.listxattr(root / "file")) == names
        assert all(os.getxattr(root / "file", name) == name.encode() for name in names)

    def test_names_outside_of_known_spaces_are_refused(self, root: Path) -> None:
        (root / "file").touch()
        for name in ("system.word", "word", "os2.word"):
            assert fails_with(errno.EOPNOTSUPP, lambda name=name: os.setxattr(root / "file", name, b""))

    def test_times_that_programs_saw_are_there_after_a_mount_though_others_sync_meanwhile(
        self, sealed: Sealed, root: Path
    ) -> None:
        """The kernel says a file's times beside what it writes, in any order: git, make and rsync compare them."""
        files = [root / f"file-{number}" for number in range(300)]
        done = threading.Event()

        def synchronise() -> None:
            while not done.is_set():
                subprocess.run(["sync", "--file-system", str(root)], check=True)

        with ThreadPoolExecutor() as beside:
            syncing = beside.submit(synchronise)
            for file in files * 3:
                with file.open("wb", buffering=0) as opened:
                    for size in (100, 5000, 9000):
                        opened.write(bytes(size))
            done.set()
            syncing.result()
        seen = [_times(file) for file in files]
        assert sealed.unmount().returncode == 0
        sealed.mount()
        assert [_times(file) for file in files] == seen


class TestRoom:
    def test_the_numbers_follow_what_is_written_and_deleted(self, root: Path) -> None:
        before = os.statvfs(root)
        assert (before.f_bsize, before.f_namemax) == (PAGE, 255)
        assert 240 * MEBIBYTE < before.f_blocks * before.f_frsize <= 256 * MEBIBYTE
        with (root / "file").open("wb") as file:
            file.write(os.urandom(20 * MEBIBYTE))
            file.flush()
            os.fsync(file.fileno())
        used = (before.f_bfree - os.statvfs(root).f_bfree) * PAGE
        assert 19 * MEBIBYTE < used < 22 * MEBIBYTE
        (root / "file").unlink()
        # The kernel says later that it forgot the file.
        end = time.monotonic() + FORGETS_WITHIN
        while (before.f_bfree - os.statvfs(root).f_bfree) * PAGE >= MEBIBYTE:
            assert time.monotonic() < end
            time.sleep(0.02)

    def test_a_full_volume_says_so_at_the_flush_and_keeps_what_it_had(self, sealed: Sealed, root: Path) -> None:
        """Written data stay in the kernel for a while, so that it is the flush that finds no room."""
        kept = os.urandom(5 * MEBIBYTE)
        (root / "kept").write_bytes(kept)
        told = set()
        for number in range(20):
            with (root / f"more-{number}").open("wb", buffering=0) as file:
                try:
                    file.write(b"x" * 20 * MEBIBYTE)
                    os.fsync(file.fileno())
                except OSError as error:
                    told.add(error.errno)
        assert told == {errno.ENOSPC}
        assert (root / "kept").read_bytes() == kept
        for number in range(20):
            (root / f"more-{number}").unlink()
        (root / "again").write_bytes(kept)
        assert sealed.unmount().returncode == 0
        sealed.mount()
        assert (root / "kept").read_bytes() == (root / "again").read_bytes() == kept


class TestExceptions:
    """Those of docs/reference/posix.md that a program is told of."""

    def test_there_are_no_files_that_never_had_a_name(self, root: Path) -> None:
        assert fails_with(errno.EOPNOTSUPP, lambda: os.open(root, os.O_TMPFILE | os.O_RDWR))

    @pytest.mark.parametrize("mode", [COLLAPSE_RANGE, INSERT_RANGE])
    def test_ranges_are_neither_collapsed_nor_inserted(self, opened: int, mode: int) -> None:
        os.ftruncate(opened, MEBIBYTE)
        assert fails_with(errno.EOPNOTSUPP, lambda: allocate(opened, mode, PAGE, PAGE))

    def test_reading_leaves_the_time_of_access(self, root: Path) -> None:
        (root / "file").write_text("content")
        before = (root / "file").stat().st_atime_ns
        (root / "file").read_text()
        assert (root / "file").stat().st_atime_ns == before
