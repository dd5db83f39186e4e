"""What a volume refuses: with the reason, the cure, and never with other data than was written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from casemate.errors import (
    PlatformError,
    UsageError,
    VolumeError,
    VolumeExistsError,
    VolumeInUseError,
    VolumeMissingError,
    VolumeRolledBackError,
    VolumeTamperedError,
)
from casemate.volume import Volume, key

from .conftest import Sealed, python


def _fill(sealed: Sealed) -> bytes:
    data = os.urandom(2 << 20)
    with sealed.write() as volume, volume.open("/file", "wb") as file:
        file.write(data)
    return data


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("opener", [Volume.open_writing, Volume.open_reading])
def test_a_wrong_key_opens_nothing(sealed: Sealed, opener: type[Volume]) -> None:
    key.create(sealed.root / "other")
    with pytest.raises(VolumeTamperedError, match="not its key") as raised:
        opener(sealed.folder, key_file=sealed.root / "other", anchor=f"file:{sealed.root / 'A'}")
    assert "use the key" in raised.value.diagnostics()["remedy"]


@pytest.mark.parametrize("opener", [Volume.open_writing, Volume.open_reading])
def test_a_rolled_back_folder_is_refused(sealed: Sealed, opener: type[Volume]) -> None:
    _fill(sealed)
    shutil.copytree(sealed.folder, sealed.root / "older")
    _fill(sealed)
    shutil.rmtree(sealed.folder)
    shutil.move(sealed.root / "older", sealed.folder)
    with pytest.raises(VolumeRolledBackError, match="rolled back"):
        opener(sealed.folder, **sealed.named)


def test_a_file_whose_bytes_were_changed_is_not_read(sealed: Sealed) -> None:
    data = _fill(sealed)
    segment = sealed.folder / "segment-00000000"
    for at in range(0, segment.stat().st_size, 16384):
        _flip(segment, at)
    with pytest.raises(VolumeTamperedError), sealed.read() as volume, volume.open("/file", "rb") as file:
        file.read()
    for at in range(0, segment.stat().st_size, 16384):
        _flip(segment, at)
    with sealed.read() as volume, volume.open("/file", "rb") as file:
        assert file.read() == data


def test_one_changed_byte_is_found_by_reading_or_by_verifying(sealed: Sealed) -> None:
    data = _fill(sealed)
    segment = sealed.folder / "segment-00000000"
    found = 0
    for at in range(0, segment.stat().st_size, 101 * 4096):
        _flip(segment, at)
        try:
            with sealed.read() as volume:
                volume.verify()
                assert volume.open("/file", "rb").read() == data
        except VolumeTamperedError:
            found += 1
        _flip(segment, at)
    assert found >= 4


def test_a_second_writer_is_refused_here_and_in_another_process(sealed: Sealed) -> None:
    with sealed.write():
        with pytest.raises(VolumeInUseError, match="locked"):
            sealed.write()
        code = "from casemate.errors import VolumeInUseError\ntry: sealed.write()\nexcept VolumeInUseError: print('no')"
        assert python(sealed, code) == "no\n"
    sealed.write().close()


def test_a_writer_whose_anchor_was_taken_over_acknowledges_nothing_more(sealed: Sealed) -> None:
    first = sealed.write()
    shutil.copytree(sealed.folder, sealed.root / "copy")
    second = Volume.open_writing(sealed.root / "copy", **sealed.named)
    first.open("/file", "w").close()
    with pytest.raises(VolumeInUseError, match="fenced"):
        first.sync()
    second.close()
    with pytest.raises(VolumeError, match="fenced"):
        first.close()
    assert first.closed


def test_a_reader_writes_nothing(sealed: Sealed) -> None:
    _fill(sealed)
    with sealed.read() as reader:
        for action in (
            lambda: reader.open("/new", "w"), lambda: reader.open("/file", "wb"), lambda: reader.mkdir("/new"),
            lambda: reader.remove("/file"), lambda: reader.rename("/file", "/new"), lambda: reader.chmod("/file", 0),
        ):  # fmt: skip
            with pytest.raises(OSError, match="Read-only"):
                action()
        assert reader.listdir() == ["file"]


def test_a_folder_without_a_volume_and_an_anchor_without_one(sealed: Sealed) -> None:
    (sealed.root / "empty").mkdir()
    with pytest.raises(VolumeRolledBackError):
        Volume.open_writing(sealed.root / "empty", **sealed.named)
    with pytest.raises(VolumeExistsError):
        Volume.create(sealed.folder, **sealed.named)
    (sealed.root / "A").unlink()
    with pytest.raises(VolumeExistsError):
        Volume.create(sealed.folder, **sealed.named)


def test_a_missing_folder(sealed: Sealed) -> None:
    shutil.rmtree(sealed.folder)
    with pytest.raises(VolumeMissingError):
        sealed.write()


@pytest.mark.parametrize("size", [0, 4096, (1 << 46) + 1])
def test_a_size_that_cannot_be(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        Volume.create(tmp_path / "V", key_file=tmp_path / "K", anchor=f"file:{tmp_path / 'A'}", size=size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("anchor", ["A", "file:", "tpm:0"])
def test_an_anchor_of_an_unknown_kind(sealed: Sealed, anchor: str) -> None:
    with pytest.raises(UsageError, match="no known kind"):
        Volume.open_reading(sealed.folder, key_file=sealed.root / "K", anchor=anchor)


def test_a_key_file_that_others_may_read(sealed: Sealed) -> None:
    (sealed.root / "K").chmod(0o644)
    with pytest.raises(UsageError, match="others may read"):
        sealed.read()


def test_the_key_is_nowhere_in_what_is_printed(sealed: Sealed) -> None:
    with sealed.read() as volume:
        seen = repr(vars(volume)) + repr(volume) + repr(volume.info())
    assert key.load(sealed.root / "K") not in seen


def test_without_the_module_it_is_said_at_use(sealed: Sealed) -> None:
    code = (
        "sys.modules['casemate_native'] = None\nimport casemate.volume\n"
        "from casemate.errors import PlatformError\n"
        f"try: casemate.volume.Volume.open_reading({str(sealed.folder)!r}, key_file='K', anchor='file:A')\n"
        "except PlatformError as error: print(error.diagnostics()['remedy'])"
    )
    assert python(sealed, code) == "run: make setup\n"
    assert PlatformError.exit_code == 70
