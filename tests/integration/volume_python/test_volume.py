"""Names, directories, attributes: what `os` knows of a file system, of a volume."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from casemate.volume import Volume

from .conftest import SIZE, Sealed, python


def test_what_is_written_is_there_when_it_is_opened_again(sealed: Sealed) -> None:
    with sealed.write() as volume:
        volume.makedirs("/a/b")
        with volume.open("/a/b/text", "w", encoding="utf-8") as file:
            file.write("ä\nzwei\n")
    with sealed.read() as volume, volume.open("a/b/text", encoding="utf-8") as file:
        assert list(file) == ["ä\n", "zwei\n"]


@pytest.mark.parametrize("durability", ["lazy", "durable"])
@pytest.mark.parametrize("freshness", ["strict", "interval", "none"])
@pytest.mark.parametrize("root", ["tag", "hash"])
def test_every_kind_of_volume(tmp_path: Path, durability: Any, freshness: Any, root: Any) -> None:
    where: dict[str, Any] = {
        "key_file": tmp_path / "K", "anchor": f"file:{tmp_path / 'A'}", "durability": durability,
    }  # fmt: skip
    Volume.create(tmp_path / "V", size=SIZE, root=root, **where)
    with Volume.open_writing(tmp_path / "V", freshness=freshness, **where) as volume:
        volume.mkdir("/made")
        assert volume.info().root == root
    with Volume.open_reading(tmp_path / "V", freshness=freshness, **where) as reader:
        assert (reader.listdir(), reader.refresh()) == (["made"], False)


@pytest.mark.parametrize("wrong", [{"durability": "soon"}, {"freshness": "maybe"}])
def test_a_kind_that_there_is_not(sealed: Sealed, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is called"):
        Volume.open_writing(sealed.folder, **sealed.named, **wrong)


def test_files_that_are_open_are_written_when_the_volume_is_closed(sealed: Sealed) -> None:
    volume = sealed.write()
    file = volume.open("/open", "wb")
    file.write(b"buffered")
    volume.close()
    assert (file.closed, volume.closed) == (True, True)
    with sealed.read() as reader, reader.open("/open", "rb") as again:
        assert again.read() == b"buffered"


def test_a_volume_that_nobody_closed_is_closed_with_the_process(sealed: Sealed) -> None:
    python(sealed, "volume = sealed.write(); file = volume.open('/late', 'w'); file.write('at the end')")
    with sealed.read() as reader, reader.open("/late") as file:
        assert file.read() == "at the end"


def test_a_closed_volume_says_so(volume: Volume) -> None:
    volume.close()
    volume.close()
    with pytest.raises(ValueError, match="the volume is closed"):
        volume.listdir()


def test_directories(volume: Volume) -> None:
    volume.makedirs("/a/b/c")
    volume.makedirs("/a/b/c", exist_ok=True)
    volume.mkdir("/a/d/")
    volume.open("/a/file", "x").close()
    assert sorted(volume.listdir("/a")) == ["b", "d", "file"]
    kinds = {entry.name: (entry.is_dir(), entry.is_file()) for entry in volume.scandir("/a")}
    assert kinds == {"b": (True, False), "d": (True, False), "file": (False, True)}
    walked = {top: (sorted(folders), others) for top, folders, others in volume.walk("/a")}
    assert walked == {"/a": (["b", "d"], ["file"]), "/a/b": (["c"], []), "/a/b/c": ([], []), "/a/d": ([], [])}
    volume.rmdir("/a/d")
    volume.rmtree("/a")
    assert volume.listdir("/") == []


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (lambda volume: volume.open("/nothing"), FileNotFoundError),
        (lambda volume: volume.listdir("/nothing"), FileNotFoundError),
        (lambda volume: volume.rename("/nothing", "/other"), FileNotFoundError),
        (lambda volume: volume.mkdir("/no/where"), FileNotFoundError),
        (lambda volume: volume.mkdir("/full"), FileExistsError),
        (lambda volume: volume.mkdir("/"), FileExistsError),
        (lambda volume: volume.makedirs("/full"), FileExistsError),
        (lambda volume: volume.makedirs("/full/file", exist_ok=True), FileExistsError),
        (lambda volume: volume.open("/full/file", "x"), FileExistsError),
        (lambda volume: volume.symlink("/a", "/full"), FileExistsError),
        (lambda volume: volume.open("/full"), IsADirectoryError),
        (lambda volume: volume.open("/full", "w"), IsADirectoryError),
        (lambda volume: volume.remove("/full"), IsADirectoryError),
        (lambda volume: volume.listdir("/full/file"), NotADirectoryError),
        (lambda volume: volume.rmdir("/full/file"), NotADirectoryError),
        (lambda volume: volume.open("/full/file/"), NotADirectoryError),
        (lambda volume: volume.stat("/full/file/below"), NotADirectoryError),
        (lambda volume: volume.rmdir("/full"), OSError),
        (lambda volume: volume.rmdir("/"), OSError),
        (lambda volume: volume.rename("/full", "/full/below"), OSError),
        (lambda volume: volume.open("/" + "x" * 256, "w"), OSError),
        (lambda volume: volume.open("/loop"), OSError),
    ],
)  # fmt: skip
def test_what_a_file_system_refuses_is_its_usual_error(
    volume: Volume, action: Callable[[Volume], object], error: type[OSError]
) -> None:
    volume.mkdir("/full")
    volume.open("/full/file", "w").close()
    volume.symlink("loop", "/loop")
    with pytest.raises(error) as raised:
        action(volume)
    number = raised.value.errno
    assert type(raised.value) is error
    assert number is not None
    assert raised.value.strerror == os.strerror(number)
    assert raised.value.filename.startswith("/")


def test_links(volume: Volume) -> None:
    volume.makedirs("/a/b")
    with volume.open("/a/file", "w") as file:
        file.write("content")
    volume.symlink("../file", "/a/b/relative")
    volume.symlink("/a", "/absolute")
    volume.symlink("nowhere", "/dangling")
    assert volume.readlink("/a/b/relative") == "../file"
    assert volume.open("/absolute/b/relative").read() == "content"
    assert [entry.is_dir() for entry in volume.scandir("/") if entry.name == "dangling"] == [False]
    assert volume.exists("/dangling") is False
    assert stat.S_ISLNK(volume.stat("/dangling", follow_symlinks=False).st_mode)
    volume.link("/a/file", "/second")
    assert volume.stat("/second").st_nlink == 2
    volume.remove("/absolute")
    assert volume.open("/a/file").read() == "content"


def test_a_link_to_nothing_is_written_through(volume: Volume) -> None:
    volume.mkdir("/a")
    volume.symlink("a/made", "/link")
    volume.open("/link", "w").close()
    assert volume.listdir("/a") == ["made"]
    with pytest.raises(FileExistsError):
        volume.open("/link", "x")


def test_renaming_replaces_in_one_step(volume: Volume) -> None:
    for name in ("old", "new"):
        with volume.open(f"/{name}", "w") as file:
            file.write(name)
    volume.replace("/new", "/old")
    assert volume.listdir() == ["old"]
    assert volume.open("/old").read() == "new"


def test_what_is_removed_gives_its_room_back(volume: Volume) -> None:
    before = volume.statvfs().f_bfree
    for name in ("removed", "replaced"):
        with volume.open(f"/{name}", "wb") as file:
            file.write(os.urandom(4 << 20))
    volume.open("/other", "w").close()
    volume.replace("/other", "/replaced")
    volume.remove("/removed")
    for _ in range(3):
        volume.sync()
    assert before - volume.statvfs().f_bfree < 64


def test_attributes(volume: Volume) -> None:
    volume.open("/file", "xb", permissions=0o600).close()
    made = volume.stat("/file")
    assert stat.S_IMODE(made.st_mode) == 0o600
    assert (made.st_uid, made.st_gid) == (os.geteuid(), os.getegid())
    volume.chmod("/file", 0o640)
    volume.chown("/file", 5, 6)
    volume.utime("/file", ns=(-5_500_000_001, 10**18 + 7))
    found = volume.stat("/file")
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 5, 6)
    assert (found.st_atime_ns, found.st_mtime_ns, found.st_mtime) == (-5_500_000_001, 10**18 + 7, 1e9)
    assert volume.created_ns("/file") <= found.st_ctime_ns
    with pytest.raises(OverflowError):
        volume.utime("/file", ns=(0, 1 << 100))


def _attributes(face: Any, path: str) -> list[Any]:
    """What `os`, or a volume, answers to a fixed row of calls."""
    calls = [
        (face.setxattr, "user.word", b"value"), (face.listxattr,), (face.getxattr, "user.word"),
        (face.getxattr, "user.none"), (face.setxattr, "user.word", b"", os.XATTR_CREATE),
        (face.setxattr, "user.none", b"", os.XATTR_REPLACE), (face.setxattr, "user.word", b"new", os.XATTR_REPLACE),
        (face.setxattr, "user.word", b"", 7), (face.getxattr, "user.word"), (face.removexattr, "user.word"),
        (face.removexattr, "user.word"), (face.listxattr,),
    ]  # fmt: skip
    return [_outcome(call, path, *arguments) for call, *arguments in calls]


def _outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except OSError as error:
        return error.errno


def test_extended_attributes_are_those_of_os(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    volume.open("/file", "w").close()
    volume.symlink("file", "/link")
    assert _attributes(volume, "/file") == _attributes(os, str(tmp_path / "file"))
    volume.setxattr("/link", "user.word", b"through")
    assert volume.listxattr("/link", follow_symlinks=False) == []
    assert volume.getxattr("/file", "user.word") == b"through"


def test_closing_closes_every_file_whatever_another_says(sealed: Sealed) -> None:
    volume = sealed.write()
    files = [volume.open(f"/{number}", "wb", 4 << 20) for number in range(4)]
    files.append(volume.open("/big", "wb", SIZE))
    for file in files:
        file.write(os.urandom(100))
    files[-1].write(os.urandom(SIZE - 200))
    with pytest.raises(OSError, match="No space left"):
        volume.close()
    assert volume.closed
    with sealed.read() as reader:
        assert [reader.stat(f"/{number}").st_size for number in range(4)] == [100] * 4


def test_snapshots(sealed: Sealed, volume: Volume) -> None:
    with volume.open("/file", "w") as file:
        file.write("before")
    taken = volume.create_snapshot("monday")
    with volume.open("/file", "w") as file:
        file.write("after it")
    volume.create_snapshot("tuesday")
    with pytest.raises(FileExistsError):
        volume.create_snapshot("monday")
    assert [found.name for found in volume.snapshots()] == ["monday", "tuesday"]
    assert volume.snapshots()[0] == taken
    with Volume.open_reading(sealed.folder, **sealed.named, snapshot="monday") as monday:
        volume.mkdir("/later")
        volume.sync()
        monday.refresh()
        assert (monday.listdir(), monday.open("/file").read()) == (["file"], "before")
    volume.delete_snapshot("monday")
    with pytest.raises(FileNotFoundError):
        volume.delete_snapshot("monday")
    with pytest.raises(FileNotFoundError) as raised:
        Volume.open_reading(sealed.folder, **sealed.named, snapshot="monday")
    assert raised.value.filename == "monday"


def test_names_are_any_bytes(volume: Volume) -> None:
    name = os.fsdecode(b"\xff\xfe")
    volume.open(f"/{name}", "w").close()
    assert volume.listdir() == [name]
    assert volume.exists(Path("/") / name)


def test_numbers_of_the_volume(sealed: Sealed, volume: Volume) -> None:
    room, found = volume.statvfs(), volume.info()
    assert room.f_bsize * room.f_blocks == SIZE
    assert 0 < room.f_bavail <= room.f_bfree < room.f_blocks
    assert (len(found.identity), found.root, found.generation >= found.anchored >= 1) == (32, "tag", True)
    with sealed.read() as reader:
        assert reader.info().identity == found.identity


def test_a_full_volume_says_so_and_can_be_emptied(volume: Volume) -> None:
    with volume.open("/big", "wb", 0) as file, pytest.raises(OSError, match="No space left"):
        file.write(bytes(SIZE))
    volume.remove("/big")
    volume.sync()
    assert volume.statvfs().f_bavail > 0


def test_trees_come_in_and_go_out_whole(volume: Volume, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "file").write_bytes(os.urandom(300_000))
    os.symlink("folder/file", source / "link")
    volume.mkdir("/into")
    told: list[tuple[int, int]] = []
    done = volume.import_tree(source, "/into", progress=lambda *numbers: told.append(numbers))
    assert (done.files, done.bytes, told[-1]) == (3, 300_000, (300_000, 300_000))
    told.clear()
    assert volume.export_tree(tmp_path / "copy", progress=lambda *numbers: told.append(numbers)) == 4
    copied = tmp_path / "copy" / "into"
    assert (copied / "link").read_bytes() == (source / "folder" / "file").read_bytes()
    assert told[-1][0] == told[-1][1] == 300_000


def test_work_ends_where_its_listener_wants_that(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()

    def no_more(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        volume.import_tree(tmp_path / "source", progress=no_more)


def test_verifying_tells_how_far_it_is_and_can_be_ended(volume: Volume) -> None:
    with volume.open("/file", "wb") as file:
        file.write(os.urandom(4 << 20))
    told: list[int] = []
    volume.verify(progress=lambda done, total: told.append(done))
    assert told == sorted(told)

    for use in (volume.listdir, volume.close, volume.refresh, lambda: volume.open("/file")):
        with pytest.raises(RuntimeError, match="being verified"):
            volume.verify(progress=lambda *_, use=use: use())
    assert volume.listdir() == ["file"]


def test_errors_of_trees_name_the_path(volume: Volume, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        volume.import_tree(tmp_path / "nothing")
    with pytest.raises(FileExistsError) as raised:
        volume.export_tree(tmp_path)
    assert raised.value.filename == str(tmp_path)
