"""What an attacker who has the host's folder does, and what each command answers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .conftest import Sealed

SECRET = b"Hannah Mueller, born 1970, diabetes"
NAME = "patient-records"


def _fill(sealed: Sealed, content: bytes = SECRET * 3000) -> None:
    sealed.mount()
    (sealed.mountpoint / NAME).write_bytes(content)
    assert sealed.unmount().returncode == 0


def test_the_host_sees_no_content_and_no_names(sealed: Sealed) -> None:
    _fill(sealed)
    stored = b"".join(path.read_bytes() for path in sealed.folder.iterdir())
    assert len(stored) > len(SECRET) * 3000
    assert SECRET[:10] not in stored
    assert NAME.encode() not in stored
    assert not any(NAME in path.name for path in sealed.folder.iterdir())


def test_a_flipped_bit_is_an_error_with_its_reason_and_never_data(sealed: Sealed) -> None:
    _fill(sealed)
    segment = sealed.folder / "segment-00000000"
    for offset in range(0, 110_000, 20_000):
        _flip(segment, offset)
        outcome = sealed.of("verify", "V")
        mounted = sealed.mount()
        if mounted["exit"] == 0:
            read = _read(sealed.mountpoint / NAME)
            assert (read, outcome["exit"]) in [(SECRET * 3000, 0), ("Input/output error", 91)]
            if outcome["exit"]:
                assert "tampered" in next((sealed.root / "home" / "mounts").glob("*.log")).read_text()
            sealed.unmount()
        else:
            assert (mounted["exit"], outcome["exit"]) == (91, 91)
        _flip(segment, offset)


def _read(path: Path) -> bytes | str | None:
    try:
        return path.read_bytes()
    except OSError as error:
        return error.strerror


def _flip(path: os.PathLike[str], offset: int) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def test_the_whole_folder_of_yesterday_is_refused(sealed: Sealed) -> None:
    _fill(sealed)
    shutil.copytree(sealed.folder, sealed.root / "yesterday")
    _fill(sealed, b"new")
    shutil.rmtree(sealed.folder)
    (sealed.root / "yesterday").rename(sealed.folder)
    for answer in (sealed.mount(), sealed.of("verify", "V"), sealed.mount("--read-only")):
        assert (answer["exit"], answer["error"]["code"]) == (92, "volume.rolled_back")


def test_the_log_of_a_moment_ago_is_refused(sealed: Sealed) -> None:
    """Between checkpoints, everything that is new is in the log."""
    pid = sealed.mount()["pid"]
    with (sealed.mountpoint / "file").open("wb") as file:
        file.write(b"old")
        file.flush()
        os.fsync(file.fileno())
        shutil.copyfile(sealed.folder / "log", sealed.root / "log")
        file.write(b"new")
        file.flush()
        os.fsync(file.fileno())
    sealed.kill(pid)
    shutil.copyfile(sealed.root / "log", sealed.folder / "log")
    assert sealed.mount()["error"]["code"] == "volume.rolled_back"


@pytest.mark.parametrize("emptied", ["folder", "superblock", "log", "segment-00000000"])
def test_what_is_gone_is_no_new_volume(sealed: Sealed, emptied: str) -> None:
    _fill(sealed)
    if emptied == "folder":
        shutil.rmtree(sealed.folder)
        sealed.folder.mkdir()
    else:
        (sealed.folder / emptied).unlink()
    answer = sealed.mount()
    assert (answer["exit"] in {90, 91, 92, 94}, sealed.of("create", "V")["exit"]) == (True, 95)


@pytest.mark.parametrize(("cut", "length"), [("superblock", 100), ("segment-00000000", 4096)])
def test_what_is_cut_short_is_refused(sealed: Sealed, cut: str, length: int) -> None:
    _fill(sealed)
    os.truncate(sealed.folder / cut, length)
    assert sealed.of("verify", "V")["exit"] in {90, 91, 92}


def test_another_volume_in_its_place_is_refused(sealed: Sealed) -> None:
    assert sealed.of("create", "W", "--size", "64M", anchor="B")["exit"] == 0
    assert sealed.of("mount", "W", "M")["error"]["code"] == "volume.rolled_back"


def test_another_key_opens_nothing(sealed: Sealed) -> None:
    assert sealed.of("create", "W", "--size", "64M", anchor="B", key="L")["exit"] == 0
    assert sealed.of("mount", "V", "M", key="L")["exit"] == 91


def test_a_second_writer_is_refused_and_the_first_goes_on(sealed: Sealed) -> None:
    sealed.mount()
    (sealed.root / "N").mkdir()
    second = sealed.of("mount", "V", "N")
    assert (second["exit"], second["error"]["step"]) == (93, "volume.locked")
    (sealed.mountpoint / "file").write_bytes(b"still here")
    assert sealed.unmount().returncode == 0


def test_a_writer_whose_volume_was_taken_over_acknowledges_nothing(sealed: Sealed) -> None:
    """The host gives a copy of the folder, and so of its lock, to another machine that has the anchor too."""
    sealed.mount()
    with (sealed.mountpoint / "file").open("wb") as file:
        file.write(b"first")
        file.flush()
        os.fsync(file.fileno())
        shutil.copytree(sealed.folder, sealed.root / "copy")
        (sealed.root / "N").mkdir()
        assert sealed.of("mount", "copy", "N")["exit"] == 0
        file.write(b"second")
        file.flush()
        with pytest.raises(OSError, match="Input/output error"):
            os.fsync(file.fileno())
    log = next(path for path in (sealed.root / "home" / "mounts").glob("*.log") if path.stat().st_size)
    assert "fenced" in log.read_text()
    assert (sealed.root / "N" / "file").read_bytes() == b"first"
    assert sealed.unmount("N").returncode == 0


def test_a_key_that_others_may_read_is_not_used(sealed: Sealed) -> None:
    (sealed.root / "K").chmod(0o644)
    answer = sealed.mount()
    assert (answer["exit"], answer["error"]["remedy"]) == (2, "chmod 600 K")


def test_the_key_is_in_no_argument_and_no_environment_of_the_process_that_serves(sealed: Sealed) -> None:
    pid = sealed.mount()["pid"]
    key = (sealed.root / "K").read_text().strip().rpartition(":")[2].encode()
    shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    assert key not in shown
