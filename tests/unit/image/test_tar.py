"""Archives of strangers: members within limits, or a refusal; never another exception, never much memory."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import ImageRefusedError
from casemate.image import tar
from casemate.image.tar import Archive, Kind
from casemate.testing.images import archive, folder, member

END = bytes(1024)


def read(data: bytes) -> Archive:
    return Archive(io.BytesIO(data))


def header(name: str = "a", **said: object) -> bytes:
    """A header block without its content."""
    info = tarfile.TarInfo(name)
    for key, value in said.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)[-512:]


def extended(words: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("x", type=kind, size=len(words)) + words + bytes(-len(words) % 512)


def record(key: str, value: str) -> bytes:
    length = len(f" {key}={value}\n".encode())
    total = length + len(str(length))
    return f"{length + len(str(total))} {key}={value}\n".encode()


def rewritten(block: bytes, at: int, new: bytes) -> bytes:
    """A header with other bytes and a sum that is right."""
    changed = bytearray(block)
    changed[at : at + len(new)] = new
    changed[148:156] = b" " * 8
    changed[148:156] = f"{sum(changed):06o}\0 ".encode()
    return bytes(changed)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_others_write_is_read(form: int) -> None:
    long = "f" * (90 if form == tarfile.USTAR_FORMAT else 300)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as written:
        for info, content in (
            folder("./blobs"),
            member("./a", b"content"),
            member(f"d/{long}", b"x" * 513),
            member("l", type=tarfile.SYMTYPE, linkname=f"d/{long}"),
            member("empty"),
            member("p", type=tarfile.FIFOTYPE),
        ):
            written.addfile(info, io.BytesIO(content))
    found = read(out.getvalue())
    assert list(found.members) == ["blobs", "a", f"d/{long}", "l", "empty", "p"]
    assert b"".join(found.pieces(found.members["a"])) == b"content"
    assert b"".join(found.pieces(found.members[f"d/{long}"])) == b"x" * 513
    assert (found.members["l"].kind, found.members["l"].target) == (Kind.LINK, f"d/{long}")
    assert (found.members["blobs"].kind, found.members["p"].kind) == (Kind.FOLDER, Kind.OTHER)


def test_a_large_size_is_read_however_it_is_written() -> None:
    large = 9 << 30
    for said in (header(size=large), extended(record("size", str(large))) + header()):
        with pytest.raises(ImageRefusedError, match="cut off"):
            read(said + END)


FILE = header(size=1) + b"x".ljust(512, b"\0")


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", "cut off"),
        (FILE, "cut off"),
        (FILE[:-1], "cut off"),
        (FILE + END[:100], "cut off"),
        (FILE + END[:512] + FILE + END, "behind its end"),
        (FILE + FILE + END, "twice in the archive"),
        (FILE + header("./a") + END, "twice in the archive"),
        (header("a", type=tarfile.DIRTYPE) + FILE + END, "twice in the archive"),
        (b"x" + FILE[1:] + END, "header that is none"),
        (header(type=b"S") + END, "unknown kind"),
        (header(type=tarfile.SYMTYPE, size=1) + bytes(512) + END, "no file"),
        (header(type=tarfile.DIRTYPE, size=1) + bytes(512) + END, "no file"),
        (header("a/", size=1) + bytes(512) + END, "no file"),
        (extended(record("path", "b")), "cut off"),
        (extended(record("path", "b")) + END, "for nothing"),
        (extended(record("path", "b") * 2) + FILE + END, "twice, or of all"),
        (extended(record("path", "b")) * 2 + FILE + END, "twice, or of all"),
        (extended(b"b\0", tarfile.GNUTYPE_LONGNAME) + extended(record("path", "b")) + FILE + END, "twice, or of all"),
        (extended(record("size", "1"), tarfile.XGLTYPE) + FILE + END, "twice, or of all"),
        (extended(record("size", "-1")) + FILE + END, "absurd"),
        (extended(record("size", "1" * 5000)) + FILE + END, "absurd"),
        (extended(record("size", "\u0661")) + FILE + END, "absurd"),
        (extended(record("GNU.sparse.map", "x,y")) + FILE + END, "holes"),
        (extended(record("GNU.sparse.major", "1")) + FILE + END, "holes"),
        (extended(b"5 a=b") + FILE + END, "extended header is none"),
        (extended(b"99 a=b\n") + FILE + END, "extended header is none"),
        (extended(b"3 a=b\n") + FILE + END, "extended header is none"),
        (extended(b"a=b\n") + FILE + END, "extended header is none"),
        (extended(b"9 path=\xff\n") + FILE + END, "no UTF-8"),
        (rewritten(FILE[:512], 124, b"\x80" + b"\xff" * 11) + END, "absurd"),
        (rewritten(FILE[:512], 124, b"\xff" * 12) + END, "none"),
        (rewritten(FILE[:512], 124, b"9" * 11) + END, "none"),
        (rewritten(FILE[:512], 0, b"\xff\xfe") + FILE[512:] + END, "no UTF-8"),
    ],
    ids=range(33),
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes, refused: str) -> None:
    with pytest.raises(ImageRefusedError, match=refused):
        read(data)


def test_words_cost_no_more_than_they_may() -> None:
    claimed = header("x", type=tarfile.XHDTYPE, size=1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(ImageRefusedError, match="too many words"):
            Archive(Endless(claimed))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    many = extended(record("comment", "c" * (tar.MAX_WORDS // 2)), tarfile.XGLTYPE)
    with pytest.raises(ImageRefusedError, match="too many words"):
        read(many * 2 + END)


class Endless(io.RawIOBase):
    """A header, and as much behind it as anybody asks for."""

    def __init__(self, head: bytes) -> None:
        self.head, self.at = head, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = 1 << 40 if whence == 2 else offset
        return self.at

    def read(self, size: int = -1) -> bytes:
        return self.head if self.at == 0 else bytes(size)


def test_members_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MAX_MEMBERS", 3)
    members = [member(str(number)) for number in range(4)]
    assert len(read(archive(*members[:3])).members) == 3
    with pytest.raises(ImageRefusedError, match="than any image has"):
        read(archive(*members))


def test_a_file_that_shrinks_while_it_is_read_is_cut_off() -> None:
    file = io.BytesIO(archive(member("a", b"x" * 5000)))
    found = Archive(file)
    file.truncate(2048)
    with pytest.raises(ImageRefusedError, match="cut off"):
        list(found.pieces(found.members["a"]))


WHOLE = archive(folder("blobs"), member("x" * 120, b"content"), member("l", type=tarfile.SYMTYPE, linkname="x"))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6), st.booleans())
def test_any_archive_is_members_or_our_own_error(changes: list[tuple[int, int]], summed: bool) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
        block = at // 512 * 512
        if summed and data[block + 257 : block + 262] == b"ustar":
            data[block : block + 512] = rewritten(bytes(data[block : block + 512]), 0, b"")
    with suppress(ImageRefusedError):
        found = read(bytes(data))
        for one in found.members.values():
            list(found.pieces(one))


@given(st.binary(max_size=2048))
def test_any_bytes_are_an_archive_or_our_own_error(data: bytes) -> None:
    with suppress(ImageRefusedError):
        read(data)
