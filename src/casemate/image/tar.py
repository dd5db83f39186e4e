"""Archives of strangers (POSIX.1-2017, "pax Interchange Format"; GNU's long names and large numbers).

A reader of our own. Python's takes a header of any size into memory, gives up silently in the middle, and raises what
it happens to raise. Here anything is members, within limits, or ImageRefusedError, and what two readers could read
in two ways is refused: a name twice, a word twice, an end that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Final

from casemate.errors import ImageRefusedError

__all__ = ["MAX_MEMBERS", "MAX_WORDS", "Archive", "Kind", "Member"]

MAX_MEMBERS: Final = 100_000
"""More than any image has, in any form."""
MAX_WORDS: Final = 8 << 20
"""Bytes of all extended headers and long names; the names of an image are 80 bytes long."""
_BLOCK: Final = 512
_END: Final = bytes(_BLOCK)
_MOST: Final = 2**53 - 1
_NUMBER: Final = re.compile(rb" *([0-7]{1,12})[ \0]*")
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,7}) ([^=\n]{1,255})=")
_USTAR: Final = b"ustar\0"
_SPARSE: Final = "GNU.sparse."
_PIECE: Final = 1 << 20


class Kind(Enum):
    """`OTHER`: hard links, devices, pipes."""

    FILE = "0"
    LINK = "2"
    FOLDER = "5"
    OTHER = ""


_KINDS: Final = {
    **dict.fromkeys((b"\0", b"0", b"7"), Kind.FILE),
    **dict.fromkeys((b"1", b"3", b"4", b"6"), Kind.OTHER),
    b"2": Kind.LINK,
    b"5": Kind.FOLDER,
}
_LONG: Final = {b"L": "path", b"K": "linkpath"}


@dataclass(frozen=True)
class Member:
    """`name` without `./` before it and `/` behind it; `at` is where its `size` bytes begin; `target` is a link's."""

    name: str
    kind: Kind
    size: int
    at: int
    target: str


@dataclass
class Archive:
    """In a file that can be sought in. Every call raises ImageRefusedError, OSError."""

    file: IO[bytes]
    members: dict[str, Member] = field(init=False)
    _words: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.members = {}
        for count, member in enumerate(self._read()):
            if count >= MAX_MEMBERS:
                raise _refused("more in the archive than any image has")
            before = self.members.get(member.name)
            if before is not None and not before.kind is member.kind is Kind.FOLDER:
                raise _refused("a name comes twice in the archive", member.name)
            self.members[member.name] = member

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The content, all of it."""
        at, end = member.at, member.at + member.size
        while at < end:
            self.file.seek(at)
            piece = self._exactly(min(_PIECE, end - at))
            at += len(piece)
            yield piece

    def _read(self) -> Iterator[Member]:
        length = self.file.seek(0, 2)
        at, said = 0, dict[str, str]()
        while (header := self._block(at)) != _END:
            kind, size = header[156:157], _number(header[124:136])
            at += _BLOCK
            if kind in _LONG or kind in b"xg":
                self._hear(kind, self._words_of(at, size), said)
            else:
                member = _member(header, at, said)
                said, size = {}, member.size
                yield member
            at += -(-size // _BLOCK) * _BLOCK
        if said:
            raise _refused("the archive ends with a header for nothing")
        if at + _BLOCK < length and self._block(at + _BLOCK) != _END:
            raise _refused("the archive goes on behind its end")

    def _block(self, at: int) -> bytes:
        self.file.seek(at)
        header = self._exactly(_BLOCK)
        # The sum counts its own place as blanks.
        if header != _END and sum(header) - sum(header[148:156]) + 8 * 32 != _number(header[148:156]):
            raise _refused("there is a header that is none")
        return header

    def _words_of(self, at: int, size: int) -> bytes:
        self._words += size
        if self._words > MAX_WORDS:
            raise _refused("the archive has too many words about its members")
        self.file.seek(at)
        return self._exactly(size)

    def _hear(self, kind: bytes, words: bytes, said: dict[str, str]) -> None:
        """Takes over what is said about the next member."""
        pairs = [(_LONG[kind], words.rstrip(b"\0"))] if kind in _LONG else list(_records(words))
        for key, value in pairs:
            if key.startswith(_SPARSE):
                raise _refused("a file of the archive has holes")
            if key not in ("path", "linkpath", "size"):
                continue
            if key in said or kind == b"g":
                raise _refused("the archive says something twice, or of all its members", key)
            said[key] = _text(value)

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) != size:
            raise _refused("the archive is cut off")
        return data


def _member(header: bytes, at: int, said: dict[str, str]) -> Member:
    kind = _KINDS.get(header[156:157])
    if kind is None:
        raise _refused("the archive has a member of an unknown kind", repr(header[156:157]))
    prefix = _string(header[345:500]) if header[257:263] == _USTAR else ""
    short = _string(header[:100])
    name = said.get("path", f"{prefix}/{short}" if prefix else short)
    size = _decimal(said["size"]) if "size" in said else _number(header[124:136])
    if kind is Kind.FILE and name.endswith("/"):
        kind = Kind.FOLDER
    if kind is not Kind.FILE and size:
        raise _refused("something has a content that is no file", name)
    return Member(_plain(name), kind, size, at, said.get("linkpath", _string(header[157:257])))


def _records(words: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(words):
        match = _RECORD.match(words, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(words) or end <= match.end() or words[end - 1 : end] != b"\n":
            raise _refused("an extended header is none")
        yield _text(match[2]), words[match.end() : end - 1]
        at = end


def _number(digits: bytes) -> int:
    """Octal digits, or the bytes of a large number after one that says so."""
    if digits[:1] == b"\x80":
        number = int.from_bytes(digits[1:], "big")
    elif match := _NUMBER.fullmatch(digits):
        number = int(match[1], 8)
    elif not digits.strip(b" \0"):
        number = 0
    else:
        raise _refused("a header has a number that is none")
    if number > _MOST:
        raise _refused("a header has an absurd number")
    return number


def _decimal(digits: str) -> int:
    if not re.fullmatch("[0-9]{1,16}", digits) or int(digits) > _MOST:
        raise _refused("a header has an absurd number")
    return int(digits)


def _string(padded: bytes) -> str:
    return _text(padded.partition(b"\0")[0])


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _refused("a name is no UTF-8") from error


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name.rstrip("/")


def _refused(why: str, got: str | None = None) -> ImageRefusedError:
    return ImageRefusedError(why, step="image.archive", got=None if got is None else got[:200])
