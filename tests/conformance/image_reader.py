"""Reads a sealed layer by spec/image-format.md alone, and what EROFS is in it by fs/erofs/erofs_fs.h of Linux."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 4096
PIECE = 16_384
TAG = 16
HASH = 32
HASHES = PIECE // HASH
MAGIC = b"casemate/layer/1"
HOLE = 0xFFFF_FFFF
PLAIN, INLINE, CHUNKS = 0, 2, 4
FILE, DIRECTORY, LINK, CHARACTER = 0o100000, 0o040000, 0o120000, 0o020000
SPACES = {1: b"user.", 2: b"system.posix_acl_access", 3: b"system.posix_acl_default", 4: b"trusted.", 6: b"security."}


OPAQUE, IMPLIED = b"trusted.overlay.opaque", b"trusted.overlay.casemate.implied"


class RefusedError(Exception):
    """The bytes are not what the root says was sealed."""


def file_system(layer: bytes, root: bytes, key: bytes | None) -> bytes:
    """The file system in a sealed layer, all of it verified."""
    size, encrypted = _head(layer)
    if encrypted != (key is not None):
        raise RefusedError("it is protected in another way")
    levels = _levels(size)
    stride = PIECE + (TAG if encrypted else 0)
    if len(layer) != BLOCK + sum(levels) * stride:
        raise RefusedError("it has another length")
    pieces = [layer[at : at + stride] for at in range(BLOCK, len(layer), stride)]
    salt = bytes(HASH)
    if key is not None:
        salt = _derive(key, b"", b"casemate/image/salt/v1")
        cipher = AESGCM(_derive(key, root, b"casemate/image/layer/v1"))
        pieces = [_open(cipher, number, piece) for number, piece in enumerate(pieces)]
    _verify(pieces, levels, salt, size, root)
    content, padding = b"".join(pieces[: levels[0]])[:size], b"".join(pieces[: levels[0]])[size:]
    if any(padding):
        raise RefusedError("it is not filled up with zeros")
    return content


def _head(layer: bytes) -> tuple[int, bool]:
    magic, protection, zeros, size = struct.unpack_from("<16sB7sQ", layer)
    if magic != MAGIC or protection > 1 or any(zeros) or any(layer[32:BLOCK]):
        raise RefusedError("it is no layer of this version")
    if size % BLOCK or not 0 < size <= BLOCK << 32:
        raise RefusedError("its size is out of range")
    return size, protection == 1


def _levels(size: int) -> list[int]:
    levels = [-(-size // PIECE)]
    while len(levels) == 1 or levels[-1] > 1:
        levels.append(-(-levels[-1] // HASHES))
    return levels


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _open(cipher: AESGCM, number: int, piece: bytes) -> bytes:
    try:
        return cipher.decrypt(bytes(4) + number.to_bytes(8, "big"), piece, b"casemate/layer/piece/v1")
    except InvalidTag as error:
        raise RefusedError(f"piece {number} was not sealed") from error


def _verify(pieces: list[bytes], levels: list[int], salt: bytes, size: int, root: bytes) -> None:
    def hashes(level: int, first: int) -> bytes:
        prefix = b"casemate/layer/hash/v1".ljust(31, b"\0") + bytes([level]) + salt
        return b"".join(hashlib.sha256(prefix + piece).digest() for piece in pieces[first : first + levels[level]])

    first = 0
    for level in range(len(levels) - 1):
        below, first = hashes(level, first), first + levels[level]
        stored = b"".join(pieces[first : first + levels[level + 1]])
        if stored != below.ljust(len(stored), b"\0"):
            raise RefusedError(f"level {level} is not what the tree binds")
    top = hashes(len(levels) - 1, first)
    numbers = size.to_bytes(8, "little") + PIECE.to_bytes(8, "little")
    if hashlib.sha256(b"casemate/layer/root/v1".ljust(32, b"\0") + salt + numbers + top).digest() != root:
        raise RefusedError("the root is another one")


@dataclass(frozen=True)
class Inode:
    mode: int
    uid: int
    gid: int
    links: int
    modified: tuple[int, int]
    content: bytes
    device: int
    attributes: dict[bytes, bytes]


class Erofs:
    """What is in a file system, by paths."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        magic, self.compat, bits, self.root = struct.unpack_from("<I4xIBxH", image, 1024)
        self.inodes, self.blocks, self.first = struct.unpack_from("<Q12xII", image, 1024 + 16)
        if (magic, bits) != (0xE0F5E1E2, 12) or self.blocks * BLOCK != len(image):
            raise RefusedError("it is no EROFS file system of this size")

    def walk(self, number: int | None = None, above: bytes = b"") -> Iterator[tuple[bytes, int, Inode]]:
        """Paths, inode numbers and inodes, directories before what is in them."""
        directory = self.inode(self.root if number is None else number)
        for name, found in self._entries(directory.content):
            if name in {b".", b".."}:
                continue
            inode = self.inode(found)
            path = above + name
            yield path, found, inode
            if inode.mode & 0o170000 == DIRECTORY:
                yield from self.walk(found, path + b"/")

    def names(self, number: int) -> dict[bytes, int]:
        """What is in a directory."""
        entries = self._entries(self.inode(number).content)
        return {name: found for name, found in entries if name not in {b".", b".."}}

    def inode(self, number: int) -> Inode:
        at = self.first * BLOCK + number * 32
        form, count, mode, size, word = struct.unpack_from("<HHH2xQI", self.image, at)
        uid, gid, seconds, nanoseconds, links = struct.unpack_from("<IIqII", self.image, at + 24)
        if form & 1 != 1:
            raise RefusedError("an inode is not of 64 bytes")
        length = 12 + (count - 1) * 4 if count else 0
        attributes = self.image[at + 64 : at + 64 + length]
        has_content = mode & 0o170000 in {FILE, DIRECTORY, LINK}
        content = self._content(form >> 1, word, size, at + 64 + length) if has_content else b""
        device = 0 if has_content else word
        return Inode(mode, uid, gid, links, (seconds, nanoseconds), content, device, _attributes(attributes))

    def _content(self, layout: int, word: int, size: int, behind: int) -> bytes:
        match layout:
            case 0:
                return self.image[word * BLOCK : word * BLOCK + size]
            case 2:
                return self.image[behind : behind + size]
            case 4:
                chunk = BLOCK << (word & 0x1F)
                blocks = struct.unpack_from(f"<{-(-size // chunk)}I", self.image, behind)
                chunks = (bytes(chunk) if block == HOLE else self.image[block * BLOCK :][:chunk] for block in blocks)
                return b"".join(part.ljust(chunk, b"\0") for part in chunks)[:size]
        raise RefusedError("an inode has another layout")

    @staticmethod
    def _entries(content: bytes) -> Iterator[tuple[bytes, int]]:
        for at in range(0, len(content), BLOCK):
            block = content[at : at + BLOCK]
            count = struct.unpack_from("<H", block, 8)[0] // 12
            heads = [struct.unpack_from("<QH", block, index * 12) for index in range(count)]
            ends = [start for _, start in heads[1:]] + [len(block)]
            for (number, start), end in zip(heads, ends, strict=True):
                yield block[start:end].rstrip(b"\0"), number


def _attributes(data: bytes) -> dict[bytes, bytes]:
    found = {}
    at = 12
    while at < len(data):
        length, space, size = struct.unpack_from("<BBH", data, at)
        name = data[at + 4 : at + 4 + length]
        found[SPACES[space] + name] = data[at + 4 + length : at + 4 + length + size]
        at += -(-(4 + length + size) // 4) * 4
    return found


Stack = list[tuple[Erofs, int]]
"""What layers have of one path, from the top down."""


def merged(layers: list[Erofs]) -> Iterator[tuple[bytes, Inode]]:
    """Paths and what they are, of layers from the bottom up; the root is `b""`."""
    yield from _shown([(layer, layer.root) for layer in reversed(layers)], b"")


def _shown(stack: Stack, path: bytes) -> Iterator[tuple[bytes, Inode]]:
    inodes = [layer.inode(number) for layer, number in stack]
    said = [inode for inode in inodes if IMPLIED not in inode.attributes]
    face = (said or inodes)[0]
    yield path, replace(face, attributes={k: v for k, v in face.attributes.items() if k not in {OPAQUE, IMPLIED}})
    if face.mode & 0o170000 != DIRECTORY:
        return
    opaque = next((at for at, inode in enumerate(inodes) if OPAQUE in inode.attributes), len(stack))
    parts = stack[: opaque + 1]
    for name in sorted({name for layer, number in parts for name in layer.names(number)}):
        if below := _stack(parts, name):
            yield from _shown(below, path + b"/" + name if path else name)


def _stack(parts: Stack, name: bytes) -> Stack:
    found: Stack = []
    for layer, number in parts:
        child = layer.names(number).get(name)
        if child is None:
            continue
        inode = layer.inode(child)
        if inode.mode & 0o170000 != DIRECTORY:
            is_mark = inode.mode & 0o170000 == CHARACTER and inode.device == 0
            return found if found or is_mark else [(layer, child)]
        found.append((layer, child))
    return found
