"""What fsspec expects of a file system, of a volume; who shares it, and who may write."""

from __future__ import annotations

import os
import pickle
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from casemate.errors import UsageError, VolumeInUseError, VolumeTamperedError
from casemate.volume import Volume, key
from casemate.volume.filesystem import CasemateFileSystem

from .conftest import Sealed, command, environment, python


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CasemateFileSystem.clear_instance_cache()


@pytest.fixture
def writing(sealed: Sealed) -> CasemateFileSystem:
    return CasemateFileSystem(**sealed.writing_options)


def test_it_is_found_by_its_name(sealed: Sealed) -> None:
    found = fsspec.filesystem("casemate", **sealed.options)
    assert type(found) is CasemateFileSystem
    file, path = fsspec.url_to_fs("casemate:///a/b", **sealed.writing_options)
    assert (type(file), file.access, path) == (CasemateFileSystem, "write", "/a/b")
    assert file.unstrip_protocol("/a/b") == "casemate:///a/b"


@pytest.mark.parametrize(
    ("url", "path"),
    [("casemate:///a/b/", "/a/b"), ("casemate://", "/"), ("casemate:///", "/"), ("/a", "/a"), ("a", "/a"), ("", "/")],
)
def test_urls(url: str, path: str) -> None:
    assert CasemateFileSystem._strip_protocol(url) == path
    assert CasemateFileSystem._strip_protocol([url]) == [path]


def test_what_stands_before_the_path_is_kept_for_later() -> None:
    with pytest.raises(UsageError, match="before the path"):
        CasemateFileSystem._strip_protocol("casemate://records/2024")


def test_options_may_come_from_the_environment(sealed: Sealed) -> None:
    code = """
import os
for name, value in sealed.writing_options.items():
    os.environ["FSSPEC_CASEMATE_" + name.upper()] = value
import fsspec
with fsspec.open("casemate:///file", "wb") as file:
    file.write(b"word")
print(fsspec.filesystem("casemate").cat("/file"))
"""
    assert python(sealed, code) == "b'word'\n"


@pytest.mark.parametrize("missing", ["volume", "key_file", "anchor"])
def test_a_volume_that_is_not_named(sealed: Sealed, missing: str) -> None:
    options = {name: value for name, value in sealed.options.items() if name != missing}
    with pytest.raises(UsageError, match=missing):
        CasemateFileSystem(**options)
    with pytest.raises(UsageError, match="access"):
        CasemateFileSystem(**{**sealed.options, "access": "both"})


def test_files_and_directories(writing: CasemateFileSystem) -> None:
    writing.makedirs("/a/b")
    writing.makedirs("/a/b", exist_ok=True)
    with pytest.raises(FileExistsError):
        writing.makedirs("/a/b")
    with pytest.raises(FileNotFoundError):
        writing.mkdir("/x/y", create_parents=False)
    writing.mkdir("/x/y")
    writing.pipe({"/a/one": b"1", "/a/b/two": b"22"})
    assert sorted(writing.ls("/a", detail=False)) == ["/a/b", "/a/one"]
    assert [info["size"] for info in writing.ls("/a/one")] == [1]
    assert sorted(writing.find("/")) == ["/a/b/two", "/a/one"]
    assert writing.glob("/a/*/t*") == ["/a/b/two"]
    assert (writing.isdir("/a"), writing.isfile("/a"), writing.exists("/no")) == (True, False, False)
    assert writing.du("/a") == 3
    info = writing.info("/a/b/two")
    assert (info["name"], info["size"], info["type"], info["nlink"]) == ("/a/b/two", 2, "file", 1)
    writing.rmdir("/x/y")
    with pytest.raises(FileNotFoundError):
        writing.ls("/x/y")


def test_copies_moves_and_removals(writing: CasemateFileSystem) -> None:
    data = os.urandom(5 << 20)
    writing.pipe("/file", data)
    writing.cp_file("/file", "/copy")
    assert writing.cat("/copy") == data
    writing.mkdir("/folder")
    writing.mv("/copy", "/folder")
    writing.mv("/file", "/folder/other")
    with pytest.raises(IsADirectoryError):
        writing.mv("/folder", "/moved")
    writing.mv("/folder", "/moved", recursive=True)
    assert sorted(writing.find("/")) == ["/moved/copy", "/moved/other"]
    writing.copy("/moved", "/twice", recursive=True)
    assert sorted(writing.find("/twice")) == ["/twice/copy", "/twice/other"]
    with pytest.raises(IsADirectoryError):
        writing.rm("/moved")
    writing.rm("/moved", recursive=True)
    writing.rm(["/twice/copy"])
    assert writing.find("/", withdirs=True) == ["/", "/twice", "/twice/other"]
    with pytest.raises(FileNotFoundError):
        writing.rm("/moved", recursive=True)


def test_a_link_to_a_directory_is_removed_and_not_what_it_leads_to(writing: CasemateFileSystem) -> None:
    writing.mkdir("/kept")
    writing.pipe("/kept/file", b"1")
    writing._volume().symlink("kept", "/link")
    assert writing.info("/link")["islink"] is True
    assert writing.info("/link")["type"] == "directory"
    writing.rm("/link", recursive=True)
    assert writing.find("/") == ["/kept/file"]


def test_times(writing: CasemateFileSystem) -> None:
    writing.touch("/file")
    made, now = writing.created("/file"), datetime.now(tz=UTC)
    assert abs(now - made) < timedelta(hours=1)
    writing.pipe("/file", b"kept")
    writing._volume().utime("/file", ns=(0, 0))
    assert writing.modified("/file") == datetime.fromtimestamp(0, tz=UTC)
    writing.touch("/file", truncate=False)
    assert (writing.modified("/file") >= made, writing.cat("/file")) == (True, b"kept")
    writing.touch("/file")
    assert writing.cat("/file") == b""


def test_ranges_are_slices(writing: CasemateFileSystem) -> None:
    data = os.urandom(100_000)
    writing.pipe("/file", data)
    for start, end in [(None, None), (5, 10), (-10, None), (None, -10), (99_990, 200_000), (10, 5), (-5, -2), (0, 0)]:
        assert writing.cat_file("/file", start, end) == data[start:end]
    ranges = writing.cat_ranges(["/file", "/file"], [0, 50_000], [10, 60_000])
    assert ranges == [data[:10], data[50_000:60_000]]
    assert writing.read_block("/file", 10, 20) == data[10:30]


def test_modes(writing: CasemateFileSystem) -> None:
    with writing.open("/file", "w", encoding="utf-8") as file:
        file.write("ä")
    with writing.open("/file", "ab") as file:
        file.write(b"b")
    with writing.open("/file", "rb") as file:
        assert file.read() == "äb".encode()
    with pytest.raises(FileExistsError):
        writing.open("/file", "xb")
    with writing.open("/packed", "wb", compression="gzip") as file:
        file.write(b"c" * 1000)
    assert writing.size("/packed") < 100
    with fsspec.open("casemate:///packed", "rb", compression="gzip", **writing.storage_options) as file:
        assert file.read() == b"c" * 1000


def test_trees_are_put_and_got(writing: CasemateFileSystem, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "file").write_bytes(os.urandom(200_000))
    (source / "other").write_bytes(b"")
    writing.put(str(source), "/put", recursive=True)
    assert sorted(writing.find("/put")) == ["/put/below/file", "/put/other"]
    writing.get("/put", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got/below/file").read_bytes() == (source / "below/file").read_bytes()
    assert writing.get_mapper("/put")["other"] == b""


def test_a_snapshot_stays_as_it_is_beside_a_writer(sealed: Sealed, writing: CasemateFileSystem) -> None:
    writing.pipe("/file", b"before")
    writing._volume().create_snapshot("monday")
    writing.pipe("/file", b"after")
    monday = CasemateFileSystem(**sealed.options, snapshot="monday")
    assert (monday.cat("/file"), writing.cat("/file")) == (b"before", b"after")
    assert CasemateFileSystem(**sealed.options).cat("/file") == b"after"
    with pytest.raises(UsageError, match="stays as it is"):
        CasemateFileSystem(**sealed.writing_options, snapshot="monday")


def test_there_are_no_transactions(writing: CasemateFileSystem) -> None:
    with pytest.raises(UsageError, match="no transactions"), writing.transaction:
        writing.open("/file", "wb")
    assert writing.find("/") == []


def test_a_reading_instance_writes_nothing_even_beside_a_writing_one(
    sealed: Sealed, writing: CasemateFileSystem
) -> None:
    writing.pipe("/file", b"kept")
    reading = CasemateFileSystem(**sealed.options)
    for action in (
        lambda: reading.pipe("/file", b""), lambda: reading.open("/file", "ab"), lambda: reading.rm("/file"),
        lambda: reading.mkdir("/a"), lambda: reading.makedirs("/a/b"), lambda: reading.mv("/file", "/b"),
        lambda: reading.cp_file("/file", "/b"), lambda: reading.touch("/b"), lambda: reading.rmdir("/a"),
        lambda: reading.rm_file("/file"), lambda: reading.open("/file", "rb+"),
    ):  # fmt: skip
        with pytest.raises(OSError, match='"access": "write"'):
            action()
    assert reading.cat("/file") == b"kept"


def test_instances_share_one_open_volume(sealed: Sealed, writing: CasemateFileSystem) -> None:
    reading = CasemateFileSystem(**sealed.options)
    writing.pipe("/file", b"1")
    other = CasemateFileSystem(**{**sealed.writing_options, "durability": "durable"})
    assert other is not writing
    other.pipe("/other", b"2")
    assert sorted(reading.ls("/", detail=False)) == ["/file", "/other"]
    with pytest.raises(VolumeInUseError):
        sealed.write()
    writing.close()
    sealed.write().close()
    assert other.cat("/other") == b"2"


def test_a_reader_becomes_one_of_the_writer_and_back(sealed: Sealed) -> None:
    reading = CasemateFileSystem(**sealed.options)
    assert reading.ls("/") == []
    writing = CasemateFileSystem(**sealed.writing_options)
    writing.pipe("/file", b"1")
    assert reading.ls("/", detail=False) == ["/file"]
    writing.close()
    assert reading.ls("/", detail=False) == ["/file"]


def test_another_key_file_shares_nothing(sealed: Sealed, writing: CasemateFileSystem) -> None:
    writing.pipe("/file", b"1")
    key.create(sealed.root / "other")
    other = CasemateFileSystem(**{**sealed.options, "key_file": str(sealed.root / "other")})
    with pytest.raises(VolumeTamperedError):
        other.ls("/")


def test_another_process_reads_what_this_one_wrote_at_once(sealed: Sealed, writing: CasemateFileSystem) -> None:
    code = """
from casemate.volume.filesystem import CasemateFileSystem
from casemate.errors import VolumeInUseError
reading = CasemateFileSystem(**sealed.options)
for line in sys.stdin:
    print(sorted(reading.find("/")), flush=True)
try: CasemateFileSystem(**sealed.writing_options).ls("/")
except VolumeInUseError: print("one writer")
"""
    with subprocess.Popen(
        command(sealed, code), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def seen() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        writing.pipe("/a", b"1")
        assert seen() == "['/a']"
        writing.mkdir("/b")
        writing.mv("/a", "/b/c")
        assert seen() == "['/b/c']"
        writing.rm("/b", recursive=True)
        assert seen() == "[]"
        process.stdin.close()
        assert process.stdout.read() == "one writer\n"


def test_instances_are_pickled_without_a_key(sealed: Sealed, writing: CasemateFileSystem) -> None:
    writing.pipe("/file", b"1")
    pickled = pickle.dumps(writing)
    assert key.load(sealed.root / "K").encode() not in pickled
    assert pickle.loads(pickled) == writing
    (sealed.root / "pickled").write_bytes(pickle.dumps(CasemateFileSystem(**sealed.options)))
    code = 'import pickle; print(pickle.loads((sealed.root / "pickled").read_bytes()).cat("/file"))'
    assert python(sealed, code) == "b'1'\n"


def test_a_forked_process_opens_the_volume_for_itself(sealed: Sealed) -> None:
    code = """
import os
from casemate.volume.filesystem import CasemateFileSystem
writing = CasemateFileSystem(**sealed.writing_options)
reading = CasemateFileSystem(**sealed.options)
writing.pipe("/file", b"1")
reading.cat("/file")
if os.fork() == 0:
    os.write(1, reading.cat("/file"))
    try:
        writing.pipe("/file", b"2")
    except Exception as error:
        os.write(1, type(error).__name__.encode() + b" ")
    sys.exit()
os.wait()
writing.pipe("/file", b"3")
print(reading.cat("/file"))
"""
    assert python(sealed, code) == "1VolumeInUseError b'3'\n"


def test_relative_paths_and_links_mean_the_same_volume(
    sealed: Sealed, writing: CasemateFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing.pipe("/file", b"1")
    monkeypatch.chdir(sealed.root)
    os.symlink("V", "link")
    other = CasemateFileSystem(volume="link", key_file="K", anchor="file:./A", access="write")
    assert other.cat("/file") == b"1"
    assert isinstance(writing._volume(), Volume)
    assert Path("link").resolve() == sealed.folder
