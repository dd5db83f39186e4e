"""Images in archives: whole, the same bytes each time, and nothing outside the archive is touched."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, ImageError, ImageRefusedError, ImageTamperedError, UsageError
from casemate.image import oci
from casemate.image.transport import open_source, open_target
from casemate.testing.images import Member, archive, copied, folder, member, write_image

LAYER = archive(member("a", b"content" * 1000))
IMAGES = ["oci-archive:{}:one", "oci-archive:{}", "docker-archive:{}:acme/api:1", "docker-archive:{}"]


def content(text: str, scratch: Path) -> tuple[bytes, list[bytes]]:
    with open_source(text, scratch=scratch) as source:
        manifest = oci.parse_manifest(source.top()[1])
        return source.blob(manifest.config).read_bytes(), [source.blob(layer).read_bytes() for layer in manifest.layers]


@pytest.fixture
def image(tmp_path: Path) -> str:
    write_image(tmp_path / "layout", "1", [LAYER, archive(member("b"))], {"Cmd": ["/a"]})
    return f"oci:{tmp_path}/layout:1"


@pytest.mark.parametrize("form", IMAGES)
def test_an_image_comes_out_of_an_archive_as_it_went_in(image: str, form: str, tmp_path: Path) -> None:
    target = form.format(tmp_path / "archive.tar")
    copied(image, target, tmp_path / "1")
    assert content(target, tmp_path / "2") == content(image, tmp_path / "3")


@pytest.mark.parametrize("form", IMAGES)
def test_the_same_image_is_the_same_archive(image: str, form: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        copied(image, form.format(tmp_path / name), tmp_path / f"scratch-{name}")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("form", IMAGES)
def test_an_archive_stands_there_whole_or_not_at_all(image: str, form: str, tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_target(form.format(tmp_path / "archive"), scratch=tmp_path / "1") as target:
            target.put_manifest(b"{}", oci.MANIFEST_TYPE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.glob("*archive*"))


def packed(tmp_path: Path, *members: Member) -> str:
    path = tmp_path / "hostile.tar"
    path.write_bytes(archive(*members))
    return str(path)


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside", b"x"),
        member("/outside", b"x"),
        member("blobs/sha256/../../../outside", b"x"),
        member("blobs/sha256/" + "A" * 64, b"x"),
        member("index.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("blobs/sha256/" + "a" * 64, type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("oci-layout", type=tarfile.FIFOTYPE),
    ],
    ids=lambda hostile: hostile[0].name[:30],
)
def test_nothing_of_an_archive_lands_elsewhere(hostile: Member, tmp_path: Path) -> None:
    with pytest.raises(ImageRefusedError), open_source(
        f"oci-archive:{packed(tmp_path, folder('blobs'), hostile)}", scratch=tmp_path / "deep" / "deeper"
    ) as source:  # fmt: skip
        source.top()
    assert not list(tmp_path.rglob("outside"))


def test_a_blob_of_an_archive_is_held_against_its_digest(image: str, tmp_path: Path) -> None:
    copied(image, f"oci-archive:{tmp_path}/a.tar", tmp_path / "1")
    data = (tmp_path / "a.tar").read_bytes()
    stored = gzip.compress(LAYER, mtime=0)
    assert data.count(stored) == 1
    (tmp_path / "a.tar").write_bytes(data.replace(stored, stored[:-1] + bytes([stored[-1] ^ 1])))
    with pytest.raises(ImageTamperedError, match="digest"):
        content(f"oci-archive:{tmp_path}/a.tar", tmp_path / "2")


def test_a_manifest_in_a_folder_is_held_against_its_digest(image: str, tmp_path: Path) -> None:
    with open_source(image, scratch=tmp_path / "1") as source:
        descriptor, data = source.top()
        path = tmp_path / "layout" / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")
        for altered in (data + b" ", data.replace(b"gzip", b"gzIp"), b""):
            path.write_bytes(altered)
            with pytest.raises(ImageTamperedError, match="digest"):
                source.top()


def saved(**changes: object) -> list[Member]:
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}}).encode()
    entry = {"Config": "c.json", "RepoTags": ["acme/api:1"], "Layers": ["1/layer.tar"], **changes}
    return [
        member("c.json", config),
        member("1/layer.tar", LAYER),
        member("manifest.json", json.dumps([entry]).encode()),
    ]


def test_an_older_engine_s_links_between_layers_are_followed_inside_the_archive(tmp_path: Path) -> None:
    link = member("2/layer.tar", type=tarfile.SYMTYPE, linkname="../1/layer.tar")
    path = packed(tmp_path, *saved(Layers=["1/layer.tar", "2/layer.tar"]), link)
    _, layers = content(f"docker-archive:{path}:acme/api:1", tmp_path / "1")
    assert [hashlib.sha256(layer).digest() for layer in layers] == [hashlib.sha256(LAYER).digest()] * 2


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        (saved(Layers=["../outside"]), "lacks a file"),
        (saved(Layers=["/etc/passwd"]), "lacks a file"),
        (saved(Config="/etc/passwd"), "lacks a file"),
        (saved(Layers="x"), "list of images is none"),
        ([member("manifest.json", b"[")], "list of images is none"),
        ([*saved(Layers=["l"]), member("l", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "lacks a file"),
        ([*saved(Layers=["l"]), member("l", type=tarfile.SYMTYPE, linkname="l")], "something else for a file"),
        ([*saved(Layers=["l"]), member("l", type=tarfile.CHRTYPE)], "something else for a file"),
        ([member("manifest.json", b" " * (oci.MAX_DOCUMENT_BYTES + 1))], "too large"),
        ([member("x")], "lacks a file"),
    ],
)
def test_what_docker_would_not_have_saved_is_refused(members: list[Member], refused: str, tmp_path: Path) -> None:
    with pytest.raises(ImageRefusedError, match=refused):
        content(f"docker-archive:{packed(tmp_path, *members)}", tmp_path / "1")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir])
def test_an_archive_is_a_file(form: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a.tar")
    with pytest.raises(ImageRefusedError, match="is no file"):
        content(f"{form}:{tmp_path}/a.tar", tmp_path / "1")


def test_a_blob_by_another_hash_is_said_to_be_one(tmp_path: Path) -> None:
    path = packed(tmp_path, member("blobs/sha512/" + "a" * 128, b"x"))
    with pytest.raises(ImageRefusedError, match="another hash than sha256"):
        content(f"oci-archive:{path}", tmp_path / "1")


LISTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("l"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Config", "RepoTags", "Layers"]), inner, max_size=3)
    ),
)


@given(st.binary(max_size=50) | LISTS.map(lambda value: json.dumps(value).encode()))
def test_any_list_of_docker_s_is_images_or_our_own_error(data: bytes) -> None:
    with TemporaryDirectory() as folder, suppress(CasemateError):
        content(
            f"docker-archive:{packed(Path(folder), member('manifest.json', data), member('l'))}", Path(folder) / "1"
        )


def test_somebody_who_names_what_is_not_there_is_told(image: str, tmp_path: Path) -> None:
    copied(image, f"docker-archive:{tmp_path}/d.tar:acme/api:1", tmp_path / "1")
    with pytest.raises(UsageError, match="no images called acme/api:2"):
        content(f"docker-archive:{tmp_path}/d.tar:acme/api:2", tmp_path / "2")
    with pytest.raises(UsageError, match="is not there"):
        content(f"oci-archive:{tmp_path}/none.tar", tmp_path / "3")
    (tmp_path / "z.tar").write_bytes(gzip.compress((tmp_path / "d.tar").read_bytes()))
    with pytest.raises(ImageRefusedError, match="compressed as a whole"):
        content(f"docker-archive:{tmp_path}/z.tar", tmp_path / "4")
    with pytest.raises(ImageError):
        copied(image, f"oci-archive:{tmp_path}/no/such/folder.tar", tmp_path / "5")
