"""A layout in a folder that somebody else owns, and changes meanwhile; and one that several write at once."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from casemate.errors import ImageError, ImageRefusedError, ImageTamperedError
from casemate.image import layout as layouts
from casemate.image import oci
from casemate.image.layout import Layout
from casemate.image.reading import choose
from casemate.image.transport import open_source
from casemate.testing.images import archive, copied, member, write_image

CONTENT = b"content of a blob" * 1000
BLOB = oci.Descriptor(
    media_type=oci.LAYER_TYPE, digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", size=len(CONTENT)
)
SHARED = "/dev/shm"
"""Another file system than that of temporary files."""
HEX = BLOB.digest.removeprefix("sha256:")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What is to be had nowhere but here: the very bytes."""
    path = tmp_path / "outside" / "sha256" / HEX
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return path


def lay(folder: Path, how: str, outside: Path) -> None:
    """A layout in which one thing is a link or no file."""
    blobs = folder / "blobs" / "sha256"
    if how in {"blobs", "sha256"}:
        blobs.parent.mkdir(parents=True)
        target = outside.parent.parent if how == "blobs" else outside.parent
        if how == "blobs":
            blobs.parent.rmdir()
            blobs.parent.symlink_to(target)
        else:
            blobs.symlink_to(target)
        return
    blobs.mkdir(parents=True)
    match how:
        case "link":
            (blobs / HEX).symlink_to(outside)
        case "device":
            (blobs / HEX).symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(blobs / HEX)
        case "folder":
            (blobs / HEX).mkdir()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["blobs", "sha256", "link", "device", "pipe", "folder"])
def test_nothing_but_a_file_of_the_folder_is_read(how: str, outside: Path, tmp_path: Path) -> None:
    lay(tmp_path / "layout", how, outside)
    image = Layout(tmp_path / "layout", None)
    for read in (lambda: image.blob(BLOB), lambda: image.content(BLOB, 1 << 20)):
        with pytest.raises(ImageRefusedError, match="something else than a file"):
            read()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir])
def test_the_list_of_a_folder_is_a_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "index.json")
    with pytest.raises(ImageRefusedError, match="something else than a file"):
        Layout(tmp_path, None).top()


@pytest.mark.parametrize("how", ["blobs", "sha256"])
def test_nothing_is_written_outside_the_folder(how: str, outside: Path, tmp_path: Path) -> None:
    lay(tmp_path / "layout", how, outside)
    with pytest.raises(ImageRefusedError, match="something else than a file"):
        Layout(tmp_path / "layout", None).put_manifest(b"{}", oci.MANIFEST_TYPE)
    assert os.listdir(outside.parent) == [HEX]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_image(tmp_path / "real", "1", [archive(member("a"))], {"Cmd": ["/a"]})
    (tmp_path / "link").symlink_to("real")
    assert Layout(tmp_path / "link", "1").top() == Layout(tmp_path / "real", "1").top()


def test_a_blob_of_another_size_is_not_read_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Layout(tmp_path, None)
    path = tmp_path / "blobs" / "sha256" / HEX
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(layouts, "_check", None)
    for read in (lambda: image.blob(BLOB), lambda: image.content(BLOB, 1 << 20)):
        with pytest.raises(ImageTamperedError, match="another size"):
            read()


def test_content_is_read_unless_a_shield_verifies_it(tmp_path: Path) -> None:
    image = Layout(tmp_path, None)
    path = tmp_path / "blobs" / "sha256" / HEX
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[::-1])
    assert image.unverified_blob(BLOB) == path
    with pytest.raises(ImageTamperedError, match="not what its digest says"):
        image.blob(BLOB)
    path.write_bytes(CONTENT[1:])
    with pytest.raises(ImageTamperedError, match="another size"):
        image.unverified_blob(BLOB)


def test_a_blob_that_grows_while_it_is_read_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    read = []

    def grow(done: int, _total: int) -> None:
        read.append(done)
        assert len(read) < 40  # here, or a disk is filled before anybody notices
        with path.open("ab") as file:
            file.write(bytes(1 << 20))

    with path.open("rb") as file, pytest.raises(ImageTamperedError, match="digest"):
        layouts._check(Slow(file), BLOB, grow)  # type: ignore[arg-type]
    assert max(read) == BLOB.size


class Slow:
    """Gives a file in pieces of 1,000 bytes."""

    def __init__(self, file: object) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, 1000))  # type: ignore[attr-defined, no-any-return]


def test_what_lies_under_a_digest_is_not_believed_to_have_it(tmp_path: Path) -> None:
    """One of the same size in its place is written anew, and so is a link."""
    image, source = Layout(tmp_path / "layout", None), tmp_path / "source"
    source.write_bytes(CONTENT)
    assert image.put_blob(source, BLOB)
    assert not image.put_blob(source, BLOB)
    path = image.blob(BLOB)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert image.put_blob(source, BLOB)
    path.unlink()
    path.symlink_to(source)
    assert image.put_blob(source, BLOB)
    assert path.read_bytes() == CONTENT
    assert not path.is_symlink()
    assert source.read_bytes() == CONTENT


def test_a_file_of_our_own_is_moved_and_copied_where_it_cannot_be(tmp_path: Path) -> None:
    image, source = Layout(tmp_path / "layout", None), tmp_path / "source"
    source.write_bytes(CONTENT)
    source.chmod(0o600)
    number = source.stat().st_ino
    assert image.take_blob(source, BLOB)
    path = image.blob(BLOB)
    assert (path.stat().st_ino, path.stat().st_mode & 0o777, source.exists()) == (number, 0o644, False)
    source.write_bytes(CONTENT)
    assert not image.take_blob(source, BLOB)
    path.unlink()
    if os.stat(SHARED).st_dev == path.parent.stat().st_dev:
        pytest.skip(f"{SHARED} is no file system of its own")
    with TemporaryDirectory(dir=SHARED) as elsewhere:
        source = Path(elsewhere) / "source"
        source.write_bytes(CONTENT)
        assert image.take_blob(source, BLOB)
        assert image.blob(BLOB).read_bytes() == source.read_bytes()
    assert os.listdir(path.parent) == [HEX]


def test_the_configuration_is_what_was_verified_whatever_comes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the folder exchanges each blob as soon as it was held against its digest."""
    write_image(tmp_path, "1", [archive(member("a"))], {"Cmd": ["/good"]})
    config = next(path for path in (tmp_path / "blobs/sha256").iterdir() if b"/good" in path.read_bytes())
    checked = oci.check

    def exchange(*said: object) -> None:
        checked(*said)  # type: ignore[arg-type]
        if said[1] == f"sha256:{config.name}":
            config.write_bytes(config.read_bytes().replace(b"/good", b"/evil"))

    monkeypatch.setattr(layouts, "check", exchange)
    assert choose(Layout(tmp_path, "1"), None).original().settings.entrypoint == ["/good"]
    assert b"/evil" in config.read_bytes()


def test_two_that_write_into_one_folder_are_both_there(tmp_path: Path) -> None:
    for tag in ("1", "2", "3", "4"):
        write_image(tmp_path / "from", tag, [archive(member(tag, bytes(100_000)))], {"Cmd": [f"/{tag}"]})

    def copy(tag: str) -> str:
        return copied(f"oci:{tmp_path}/from:{tag}", f"oci:{tmp_path}/to:{tag}", tmp_path / f"scratch-{tag}")[0]

    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(copy, ("1", "2", "3", "4")))
    assert [Layout(tmp_path / "to", tag).top()[0].digest for tag in ("1", "2", "3", "4")] == digests
    assert not list((tmp_path / "to").rglob(".*"))


KILLED = """
import errno, os, pathlib, sys
from casemate.image.layout import Layout
folder, stage, known = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
written = [0]
def die(*_, **__): os.kill(os.getpid(), 9)
def blob():
    while True:
        written[0] += 1
        yield die() if written[0] > 3 else b"x"
opened = os.open
def refuses(path, flags, *more, **named):
    if flags & os.O_TMPFILE == os.O_TMPFILE: raise OSError(errno.EOPNOTSUPP, "not supported")
    return opened(path, flags, *more, **named)
if known == "named": os.open = refuses
if stage == "written": os.fsync = die
if stage == "complete": os.replace = os.link = die
if stage == "blob": Layout(folder, "1").put_new(blob(), "t")
Layout(folder, "1").put_manifest(b"{}", "application/vnd.oci.image.manifest.v1+json")
"""


@pytest.mark.parametrize("stage", ["blob", "written", "complete"])
@pytest.mark.parametrize(("known", "count"), [("nameless", 0), ("named", 1)])
def test_whoever_is_killed_in_the_middle_leaves_nothing_for_long(
    stage: str, known: str, count: int, tmp_path: Path
) -> None:
    """Nothing at all, where files may be without a name; else it goes with the next that writes there."""
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "to", stage, known], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "to").rglob(".new.*"))) == count
    source = write_and_name(tmp_path)
    copied(source, f"oci:{tmp_path}/to:1", tmp_path / "scratch")
    assert not list((tmp_path / "to").rglob(".*"))
    assert choose(Layout(tmp_path / "to", "1"), None).original().settings.entrypoint == ["/a"]


def write_and_name(tmp_path: Path) -> str:
    write_image(tmp_path / "from", "1", [archive(member("a", os.urandom(300_000)))], {"Cmd": ["/a"]})
    return f"oci:{tmp_path}/from:1"


def test_nobody_tidies_up_what_somebody_still_writes(tmp_path: Path) -> None:
    image, first = Layout(tmp_path, "1"), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        first.set()
        time.sleep(0.3)
        yield b"b"

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(image.put_new, pieces(), oci.LAYER_TYPE)
        assert first.wait(5)
        Layout(tmp_path, "2").finish(image.put_manifest(b"{}", oci.MANIFEST_TYPE))
        assert image.blob(slow.result()).read_bytes() == b"ab"


@pytest.mark.skipif(os.geteuid() != 0, reason="mount(2) is root's")
@pytest.mark.parametrize("form", ["oci:{}/to:1", "oci-archive:{}/to.tar:1", "docker-archive:{}/to.tar:a:1"])
def test_a_full_disk_is_said_and_leaves_what_was_there(form: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=True)
    try:
        with pytest.raises(ImageError, match="No space left"):
            copied(write_and_name(tmp_path), form.format(small), tmp_path / "scratch")
        assert not list(small.rglob(".*"))
        assert not list(small.glob("*.tar"))
        assert not list(small.rglob("index.json"))
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mount(2) is root's")
@pytest.mark.parametrize("form", ["oci-archive:{}/a.tar:1", "docker-archive:{}/a.tar:a:1"])
def test_no_room_for_what_is_unpacked_is_said_of_the_right_disk(form: str, tmp_path: Path) -> None:
    small, source = tmp_path / "small", form.format(tmp_path)
    copied(write_and_name(tmp_path), source, tmp_path / "scratch")
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=True)
    try:
        with pytest.raises(ImageError, match=f"{small}/.*: No space left"), open_source(source, scratch=small / "x"):
            pass
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("listed", ['{"manifests": [{"annotations": []}]}', "[" * 10_000, "{}", "\x00"])
def test_a_list_that_is_none_is_not_written_over(listed: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(listed)
    image = Layout(tmp_path, "1")
    with pytest.raises(ImageRefusedError, match="no index"):
        image.finish(image.put_manifest(b"{}", oci.MANIFEST_TYPE))
    assert (tmp_path / "index.json").read_text() == listed


def test_what_others_say_of_their_images_stays(tmp_path: Path) -> None:
    write_image(tmp_path, "1", [archive(member("a"))], {"Cmd": ["/a"]})
    index = tmp_path / "index.json"
    said = json.loads(index.read_text())
    said["manifests"][0] |= {"urls": ["x"], "platform": {"os": "linux", "architecture": "amd64", "os.version": "9"}}
    index.write_text(json.dumps(said))
    write_image(tmp_path, "2", [archive(member("b"))], {"Cmd": ["/b"]})
    assert json.loads(index.read_text())["manifests"][0] == said["manifests"][0]
