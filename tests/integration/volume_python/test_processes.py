"""Threads, forks, and readers beside a writer."""

from __future__ import annotations

import pytest

from casemate.volume import Volume

from .conftest import Sealed, python

WHILE_THE_ANCHOR_WAITS = """
import fcntl, threading
volume = sealed.write()
volume.mkdir("/old")
file = volume.open("/file", "wb+", 0)
file.write(b"x" * 100000)
volume.sync()
anchor = (sealed.root / "A").open("r+b")
fcntl.flock(anchor, fcntl.LOCK_EX)          # whoever moves the anchor waits from now on
threads = [threading.Thread(target=work) for work in [
    WORK,
]]
for thread in threads:
    thread.start()
thread = threading.Thread(target=lambda: print("others go on"))
thread.start(); thread.join()
print(any(thread.is_alive() for thread in threads))
fcntl.flock(anchor, fcntl.LOCK_UN)
for thread in threads:
    thread.join()
volume.close()
print("ended")
"""
"""With the interpreter's lock held by a call that waits, nobody would ever unlock the anchor: this would hang."""


def test_calls_that_wait_let_other_threads_go_on(sealed: Sealed) -> None:
    work = [
        'lambda: (volume.open("/new", "w").close(), volume.sync())',
        'lambda: (volume.open("/newer", "w").close(), file.sync())',
        'lambda: [volume.listdir("/") for _ in range(50)]',
        'lambda: [volume.stat("/file") for _ in range(50)]',
        "lambda: [file.write(b'y' * 70000) for _ in range(50)]",
        "lambda: [file.seek(0) or file.read() for _ in range(50)]",
        'lambda: [volume.makedirs(f"/old/{number}") for number in range(50)]',
        'lambda: [volume.open(f"/many{number}", "wb", durable=True).close() for number in range(5)]',
        "lambda: volume.statvfs()",
        "lambda: volume.verify()",
    ]
    code = WHILE_THE_ANCHOR_WAITS.replace("WORK", ",\n    ".join(work))
    assert python(sealed, code) == "others go on\nTrue\nended\n"


def test_closing_lets_other_threads_go_on(sealed: Sealed) -> None:
    code = WHILE_THE_ANCHOR_WAITS.replace("WORK", "lambda: volume.close()").replace(
        "volume.sync()\n", 'volume.sync()\nvolume.open("/unsynced", "w").close()\n', 1
    )
    assert python(sealed, code) == "others go on\nTrue\nended\n"


def test_opening_lets_other_threads_go_on(sealed: Sealed) -> None:
    code = """
import fcntl, threading
anchor = (sealed.root / "A").open("r+b")
fcntl.flock(anchor, fcntl.LOCK_EX)
opening = threading.Thread(target=lambda: sealed.write().close())
opening.start()
thread = threading.Thread(target=lambda: print("others go on"))
thread.start(); thread.join()
print(opening.is_alive())
fcntl.flock(anchor, fcntl.LOCK_UN)
opening.join()
"""
    assert python(sealed, code) == "others go on\nTrue\n"


def test_threads_share_a_volume(sealed: Sealed) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
import os
volume = sealed.write()
def work(number):
    data = os.urandom(300_000)
    for turn in range(10):
        with volume.open(f"/{number}", "wb", durable=turn % 3 == 0) as file:
            file.write(data)
        with volume.open(f"/{number}", "rb") as file:
            assert file.read() == data
        volume.rename(f"/{number}", f"/{number}.{turn}")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(16)))
print(len(volume.listdir()))
volume.verify()
volume.close()
"""
    assert python(sealed, code) == "160\n"


def test_a_forked_process_can_do_nothing_with_it(sealed: Sealed) -> None:
    code = """
import os
from casemate.errors import VolumeInUseError
volume = sealed.write()
file = volume.open("/file", "wb", 0)
file.write(b"parent")
buffered = volume.open("/buffered", "wb")
buffered.write(b"by one of them")
if os.fork() == 0:
    for action in (lambda: file.write(b"child"), volume.sync, volume.listdir, lambda: volume.open("/new", "w")):
        try:
            action()
            os.write(1, b"done")
        except VolumeInUseError as error:
            os.write(1, error.step.encode() + b" ")
    volume.close()
    os.write(1, b"closed ")
    sys.exit()
os.wait()
file.write(b"!")
file.close()
print(len(volume.listdir()))
volume.close()
"""
    assert python(sealed, code) == "volume.forked " * 4 + "closed 2\n"
    with sealed.read() as reader:
        assert reader.open("/buffered", "rb").read() == b"by one of them"
        assert reader.open("/file", "rb").read() == b"parent!"


def test_a_reader_sees_what_was_anchored_and_later_what_it_asks_for(sealed: Sealed, volume: Volume) -> None:
    volume.mkdir("/first")
    volume.sync()
    with sealed.read() as reader:
        volume.mkdir("/second")
        volume.sync()
        assert reader.listdir() == ["first"]
        assert reader.refresh() is True
        assert sorted(reader.listdir()) == ["first", "second"]
        assert reader.refresh() is False
    assert volume.refresh() is False


def test_a_reader_goes_on_where_a_writer_used_the_space_again(sealed: Sealed, volume: Volume) -> None:
    """The volume is small: after a few turns, nothing of what the reader opened is where it was."""
    with volume.open("/file", "wb") as file:
        file.write(bytes(8 << 20))
    volume.sync()
    with sealed.read() as reader, reader.open("/file", "rb", 0) as seen:
        for turn in range(1, 12):
            with volume.open("/file", "wb") as file:
                file.write(bytes([turn]) * (8 << 20))
            for name in range(200):
                volume.open(f"/{turn}.{name}", "w").close()
            volume.sync()
        seen.seek(0)
        assert seen.read(100) == bytes([turn]) * 100
        assert len(reader.listdir()) == 11 * 200 + 1


def test_readers_open_beside_a_busy_writer(sealed: Sealed) -> None:
    code = """
import threading
volume = sealed.write()
ended = threading.Event()
def write():
    turn = 0
    while not ended.is_set():
        with volume.open("/file", "wb", durable=True) as file:
            file.write(turn.to_bytes(8) * 1000)
        volume.sync()
        turn += 1
writer = threading.Thread(target=write)
writer.start()
for _ in range(40):
    with sealed.read() as reader:
        if reader.exists("/file"):
            with reader.open("/file", "rb") as file:
                data = file.read()
            assert data == data[:8] * (len(data) // 8)
ended.set()
writer.join()
volume.close()
print("ended")
"""
    assert python(sealed, code) == "ended\n"


def test_a_file_that_is_gone_is_stale_for_a_reader(sealed: Sealed, volume: Volume) -> None:
    volume.open("/file", "w").close()
    volume.sync()
    with sealed.read() as reader, reader.open("/file", "rb", 0) as seen:
        volume.remove("/file")
        volume.sync()
        reader.refresh()
        with pytest.raises(OSError, match="Stale file handle"):
            seen.read(1)
