"""Files of a volume beside files of the host: the same calls, the same results."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path
from typing import Any

import pytest

from casemate.volume import Volume

from .conftest import Sealed

MODES = ["r", "w", "a", "x", "r+", "w+", "a+", "x+", "rb", "wb", "ab", "xb", "rb+", "wb+", "ab+", "x+b"]


def _story(file: Any, *, text: bool) -> list[Any]:
    """What a file answers to a fixed row of calls."""
    words: list[Any] = ["one\n", "two\n"] if text else [b"one\n", b"two\n"]
    calls = [
        lambda: file.write(words[0]), lambda: file.read(2), lambda: file.seek(1), lambda: file.read(), file.tell,
        lambda: file.writelines(words), lambda: file.seek(0), file.readline, lambda: file.truncate(3),
        lambda: file.seek(0, os.SEEK_END), lambda: file.seek(0), lambda: list(file), file.readable, file.writable,
        file.seekable, lambda: next(kind for kind in type(file).__mro__ if kind.__module__ == "_io"),
    ]  # fmt: skip
    return [_outcome(call) for call in calls]


def _outcome(call: Any) -> Any:
    try:
        return call()
    except (OSError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_that_of_the_built_in_open(volume: Volume, tmp_path: Path, mode: str, there: bool) -> None:
    if there:
        (tmp_path / "file").write_bytes(b"what was there\nbefore\n")
        with volume.open("/file", "wb") as file:
            file.write(b"what was there\nbefore\n")
    stories = []
    for opener, path in ((open, str(tmp_path / "file")), (volume.open, "/file")):
        try:
            with opener(path, mode) as opened:
                stories.append(_story(opened, text="b" not in mode))
        except OSError as error:
            stories.append([type(error), error.errno])
    assert stories[0] == stories[1]
    assert volume.exists("/file") == (tmp_path / "file").exists()
    if volume.exists("/file"):
        assert volume.open("/file", "rb").read() == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("mode", ["", "q", "rw", "rr", "rbt", "b", "w++"])
def test_a_mode_that_means_nothing_is_refused(volume: Volume, mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        volume.open("/file", mode)
    assert volume.listdir() == []


def test_what_does_not_go_together_is_refused_and_closed(volume: Volume) -> None:
    with pytest.raises(ValueError, match="binary"):
        volume.open("/file", "wb", encoding="utf-8")
    with pytest.raises(ValueError, match="unbuffered"):
        volume.open("/file", "w", 0)


def test_layers_are_those_of_io(volume: Volume) -> None:
    raw = volume.open("/file", "wb", 0)
    assert isinstance(raw, io.RawIOBase)
    assert isinstance(volume.open("/file", "rb"), io.BufferedReader)
    assert isinstance(volume.open("/file", "wb"), io.BufferedWriter)
    assert isinstance(volume.open("/file", "rb+"), io.BufferedRandom)
    assert isinstance(volume.open("/file", "r"), io.TextIOWrapper)
    assert raw.write(memoryview(b"abcdef")[::1]) == 6
    assert raw.write(memoryview(bytearray(range(8))).cast("I")) == 8
    with pytest.raises(io.UnsupportedOperation):
        raw.read(1)
    with pytest.raises(io.UnsupportedOperation):
        raw.fileno()
    raw.close()
    with pytest.raises(ValueError, match="closed file"):
        raw.tell()


def test_random_reads_and_writes_are_those_of_a_file(volume: Volume, tmp_path: Path) -> None:
    choice = random.Random(7)
    with volume.open("/file", "wb+") as ours, (tmp_path / "file").open("wb+") as theirs:
        for _ in range(400):
            offset, length = choice.randrange(700_000), choice.choice([1, 100, 4096, 70_000])
            data = choice.randbytes(length)
            for file in (ours, theirs):
                file.seek(offset)
            if choice.random() < 0.5:
                assert ours.write(data) == theirs.write(data)
            elif choice.random() < 0.1:
                assert ours.truncate(offset) == theirs.truncate(offset)
            else:
                assert ours.read(length) == theirs.read(length)
        for file in (ours, theirs):
            file.seek(0)
        assert ours.read() == theirs.read()


def test_large_reads_and_writes(volume: Volume) -> None:
    data = os.urandom(9 << 20)
    with volume.open("/file", "wb", 0) as file:
        file.write(data)
    with volume.open("/file", "rb", 0) as file:
        assert file.read() == data
        room = bytearray(len(data) + 5)
        file.seek(0)
        assert file.readinto(room) == len(data)  # type: ignore[attr-defined]
        assert room == data + bytes(5)
        file.seek(1 << 45)
        assert file.read(10) == b""


def test_an_appender_writes_at_the_end_wherever_that_is(volume: Volume) -> None:
    with volume.open("/log", "ab", 0) as first, volume.open("/log", "ab", 0) as second:
        for word in (b"a", b"bb", b"c"):
            first.write(word)
            second.write(word.upper())
    assert volume.open("/log", "rb").read() == b"aAbbBBcC"


def test_a_removed_file_stays_while_it_is_open(volume: Volume) -> None:
    before = volume.statvfs().f_bfree
    with volume.open("/file", "wb+") as file:
        file.write(os.urandom(1 << 20))
        file.flush()
        volume.remove("/file")
        again = volume.open("/file", "wb")
        again.write(b"another")
        again.close()
        file.seek(0)
        assert len(file.read()) == 1 << 20
    volume.remove("/file")
    for _ in range(3):
        volume.sync()
    assert before - volume.statvfs().f_bfree < 64


def test_a_durable_file_is_seen_by_readers_once_it_is_closed(sealed: Sealed, volume: Volume) -> None:
    with volume.open("/file", "wb", durable=True) as file:
        file.write(b"word")
    with sealed.read() as reader:
        assert reader.open("/file", "rb").read() == b"word"


def test_what_was_synced_is_seen_by_readers(sealed: Sealed, volume: Volume) -> None:
    with volume.open("/file", "wb", 0) as file:
        file.write(b"word")
        file.sync()  # type: ignore[attr-defined]
        with sealed.read() as reader:
            assert reader.open("/file", "rb").read() == b"word"
