"""Reads a sealed volume by spec/volume-format.md alone: what is anchored, nothing else, verified to the last byte."""

from __future__ import annotations

import copy
import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 4096
NODE = 4 * BLOCK
SEGMENT_BLOCKS = 65_536
INODE, ENTRY, EXTENT, ATTRIBUTE, ORPHAN, SNAPSHOT, SPACE, DEAD, ORIGIN = 1, 2, 3, 4, 5, 6, 7, 8, 9
DATA, NODES, LOG, SLOT, EPOCHS = 1, 2, 3, 4, 5
DIRECTORY, SYMLINK = 0o040000, 0o120000

Key = tuple[int, int, int]


class RefusedError(Exception):
    """The bytes are not what the anchor says was written."""


@dataclass(frozen=True)
class Anchor:
    volume: bytes
    generation: int
    root: bytes


class Fields:
    """Takes little-endian fields from the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def raw(self, count: int) -> bytes:
        if count > len(self.data):
            raise RefusedError("it ends early")
        head, self.data = self.data[:count], self.data[count:]
        return head

    def number(self, count: int) -> int:
        return int.from_bytes(self.raw(count), "little")

    def reserved(self, count: int | None = None) -> None:
        if any(self.raw(len(self.data) if count is None else count)):
            raise RefusedError("a reserved byte is set")

    def key(self) -> Key:
        return self.number(1), self.number(8), self.number(8)


@dataclass(frozen=True)
class Pointer:
    address: int
    fence: int
    counter: int
    check: bytes


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint under a name; `going` while it is being deleted."""

    name: str
    generation: int
    going: bool
    level: int
    root: Pointer


@dataclass(frozen=True)
class Dead:
    """Blocks that snapshots of the generations `birth` to `newest` need, and nothing else."""

    birth: int
    newest: int
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Origin:
    """What a volume is a copy of; `name` is the snapshot that a copy which is under way will be."""

    volume: bytes
    generation: int
    identity: bytes
    whole: int | None
    since: bytes = b""
    following: Key = (0, 0, 0)
    name: str = ""


@dataclass(frozen=True)
class Extent:
    address: int
    fence: int
    counter: int
    blocks: int
    start: int
    count: int
    checks: tuple[bytes, ...]


@dataclass
class Inode:
    mode: int
    links: int
    size: int
    inline: bytes


@dataclass
class Volume:
    """What a volume holds at its anchored root."""

    read_file: Callable[[str, int, int], bytes]
    key: bytes
    anchor: Anchor
    entries: dict[Key, bytes] = field(default_factory=dict)
    overlays: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.salts: dict[int, bytes] = {}
        self.nodes: list[int] = []
        self.unfinished = False
        body, fence = self._slot()
        fields = Fields(body)
        level = fields.number(1)
        fields.reserved(7)
        root, table = self._pointer(fields), self._pointer(fields)
        table_blocks, self.ring = fields.number(4), fields.number(4)
        position, sequence, link = fields.number(8), fields.number(8), fields.raw(32)
        self.capacity, used, _next_inode = fields.number(8), fields.number(8), fields.number(8)
        fields.reserved()
        if table.fence != fence:
            raise RefusedError("the table of epochs is of another epoch than its slot")
        self._epochs(table, table_blocks)
        self.entries.update(self._node(root, level))
        if sum(bin(byte).count("1") for key in self.entries if key[0] == SPACE for byte in self.entries[key]) != used:
            raise RefusedError("the space map has not the blocks in use")
        self._replay(body, position, sequence, link)
        origin = self.origin()
        self.unfinished = origin is not None and origin.whole is None

    # Copies

    def origin(self) -> Origin | None:
        if (ORIGIN, 0, 0) not in self.entries:
            return None
        fields = Fields(self.entries[ORIGIN, 0, 0])
        whole = fields.number(1)
        fields.reserved(7)
        source = (fields.raw(16), fields.number(8), fields.raw(32))
        if whole == 1:
            origin = Origin(*source, fields.number(8))
        else:
            since, following = fields.raw(32), fields.key()
            origin = Origin(*source, None, since, following, fields.raw(fields.number(1)).decode())
        if whole > 1 or fields.data:
            raise RefusedError("the origin is malformed")
        return origin

    def identity(self, snapshot: Snapshot) -> bytes:
        """Binds all of a snapshot."""
        key = (SNAPSHOT, snapshot.generation, 0)
        root = self.entries[key][16 : 16 + (80 if self.hash_roots else 48)]
        text = b"casemate/volume/snapshot/v1" + self.anchor.volume
        text += struct.pack("<QB", snapshot.generation, snapshot.level) + root
        return hashlib.sha256(text).digest()

    # Snapshots

    def snapshots(self) -> list[Snapshot]:
        return [self._snapshot(key, self.entries[key]) for key in sorted(self.entries) if key[0] == SNAPSHOT]

    def _snapshot(self, key: Key, value: bytes) -> Snapshot:
        fields = Fields(value)
        level, going = fields.number(1), fields.number(1)
        fields.reserved(2)
        fields.raw(12)
        root = self._pointer(fields)
        name = fields.raw(fields.number(1))
        if going > 1 or key[2] != 0 or not name or fields.data:
            raise RefusedError("a snapshot is malformed")
        return Snapshot(name.decode(), key[1], bool(going), level, root)

    def at(self, snapshot: Snapshot) -> Volume:
        """The volume as it was then: other entries, and no log."""
        then = copy.copy(self)
        then.nodes = []
        then.entries = dict(then._node(snapshot.root, snapshot.level))
        then.overlays = {}
        then.unfinished = False
        return then

    def dead(self) -> list[Dead]:
        lists = []
        for key in sorted(key for key in self.entries if key[0] == DEAD):
            fields, runs = Fields(self.entries[key]), []
            while fields.data:
                runs.append((fields.number(8), fields.number(4)))
            lists.append(Dead(key[2] >> 22, key[1], tuple(runs)))
        return lists

    def blocks(self) -> set[int]:
        """Blocks of all nodes and all shown pieces of this tree; only of a tree that no log was applied to."""
        found = {block for start in self.nodes for block in range(start, start + 4)}
        for key, value in self.entries.items():
            if key[0] == EXTENT:
                extent = self._extent(value)
                first, behind = extent.start // 4 * 4, -(-(extent.start + extent.count) // 4) * 4
                found |= set(range(extent.address + first, extent.address + min(behind, extent.blocks)))
        return found

    # Seals

    def _cipher(self, fence: int, salt: bytes) -> AESGCM:
        info = b"casemate/volume/epoch/v1" + struct.pack("<Q", fence) + self.anchor.volume
        return AESGCM(HKDF(SHA256(), 32, salt, info).derive(self.key))

    def _open(self, cipher: AESGCM, purpose: int, counter: int, sealed: bytes, tag: bytes, more: bytes = b"") -> bytes:
        associated = b"casemate/volume/v1" + struct.pack("<I", purpose) + self.anchor.volume
        associated += struct.pack("<HI", 1, len(sealed)) + more
        try:
            return cipher.decrypt(struct.pack("<IQ", purpose, counter), sealed + tag, associated)
        except InvalidTag:
            raise RefusedError(f"a seal of purpose {purpose} is broken") from None

    def _blocks(self, purpose: int, at: Pointer, blocks: int) -> bytes:
        """The plaintext that a pointer describes."""
        if at.address + blocks > self.capacity or at.address % SEGMENT_BLOCKS + blocks > SEGMENT_BLOCKS:
            raise RefusedError("an address out of range")
        name = f"segment-{at.address // SEGMENT_BLOCKS:08x}"
        sealed = self.read_file(name, at.address % SEGMENT_BLOCKS * BLOCK, blocks * BLOCK)
        if at.fence not in self.salts:
            raise RefusedError("an unknown epoch")
        cipher = self._cipher(at.fence, self.salts[at.fence])
        plaintext = self._open(cipher, purpose, at.counter, sealed, at.check[:16])
        if self.hash_roots and hashlib.sha256(plaintext).digest() != at.check[16:]:
            raise RefusedError("a hash is another one")
        return plaintext

    # Checkpoint

    def _slot(self) -> tuple[bytes, int]:
        slot = self.read_file("superblock", self.anchor.generation % 2 * BLOCK, BLOCK)
        fields = Fields(slot[:104])
        if fields.raw(8) != b"CASEMATE":
            raise RefusedError("no superblock")
        if (fields.number(2), fields.number(2)) != (1, 1):
            raise RefusedError("unknown version or algorithm")
        flags = fields.number(4)
        if flags not in {0, 1}:
            raise RefusedError("unknown feature flags")
        self.hash_roots = flags == 1
        if fields.raw(16) != self.anchor.volume:
            raise RefusedError("another volume")
        if fields.number(8) != self.anchor.generation:
            raise RefusedError("rolled back: another generation")
        fence, counter, salt, tag = fields.number(8), fields.number(8), fields.raw(32), fields.raw(16)
        self.salts[fence] = salt
        return self._open(self._cipher(fence, salt), SLOT, counter, slot[104:], tag, slot[:88]), fence

    def _check(self, fields: Fields) -> bytes:
        return fields.raw(48 if self.hash_roots else 16)

    def _pointer(self, fields: Fields) -> Pointer:
        address, fence, counter, _birth = (fields.number(8) for _ in range(4))
        return Pointer(address, fence, counter, self._check(fields))

    def _epochs(self, table: Pointer, blocks: int) -> None:
        fields = Fields(self._blocks(EPOCHS, table, blocks))
        count = fields.number(4)
        fields.reserved(4)
        for _ in range(count):
            self._learn(fields.number(8), fields.raw(32))
        fields.reserved()

    def _learn(self, fence: int, salt: bytes) -> None:
        if self.salts.setdefault(fence, salt) != salt:
            raise RefusedError("an epoch has two salts")

    def _node(self, pointer: Pointer, level: int) -> Iterator[tuple[Key, bytes]]:
        self.nodes.append(pointer.address)
        fields = Fields(self._blocks(NODES, pointer, 4))
        if fields.number(1) != level:
            raise RefusedError("a node is not of its level")
        fields.reserved(1)
        count = fields.number(2)
        fields.reserved(4)
        last: Key = (0, 0, 0)
        for index in range(count):
            key = fields.key()
            if index and key <= last:
                raise RefusedError("keys are not in order")
            last = key
            if level == 0:
                yield key, fields.raw(fields.number(2))
            else:
                yield from self._node(self._pointer(fields), level - 1)
        fields.reserved()

    # Log

    def _replay(self, body: bytes, position: int, sequence: int, link: bytes) -> None:
        while self._root(body, sequence, link) != self.anchor.root:
            head = self._ring(position, 1)[:80]
            fields = Fields(head)
            found, fence, counter, blocks = fields.number(8), fields.number(8), fields.number(8), fields.number(4)
            if found != sequence or not 1 <= blocks <= min(1024, self.ring) or any(fields.raw(4)):
                raise RefusedError("rolled back: the log ends before the anchored head")
            salt, tag = fields.raw(32), fields.raw(16)
            sealed = self._ring(position, blocks)[80:]
            plaintext = self._open(self._cipher(fence, salt), LOG, counter, sealed, tag, head[:64] + link)
            self._learn(fence, salt)
            self._apply(plaintext)
            digest = hashlib.sha256(plaintext).digest() if self.hash_roots else bytes(32)
            link = hashlib.sha256(b"casemate/volume/link/v1" + link + head[:64] + tag + digest).digest()
            position, sequence = position + blocks, sequence + 1

    def _root(self, body: bytes, sequence: int, link: bytes) -> bytes:
        text = b"casemate/volume/root/v1" + self.anchor.volume + struct.pack("<Q", self.anchor.generation)
        text += hashlib.sha256(body).digest() + struct.pack("<Q", sequence) + link
        return hashlib.sha256(text).digest()

    def _ring(self, position: int, blocks: int) -> bytes:
        return b"".join(self.read_file("log", (position + index) % self.ring * BLOCK, BLOCK) for index in range(blocks))

    def _apply(self, plaintext: bytes) -> None:
        outer = Fields(plaintext)
        fields = Fields(outer.raw(outer.number(4)))
        outer.reserved()
        while fields.data:
            match fields.number(1):
                case 1:
                    key = fields.key()
                    self.entries[key] = fields.raw(fields.number(2))
                    if key[0] == INODE and self._inode(key[1]).inline:
                        self.overlays.pop(key[1], None)
                case 2:
                    key = fields.key()
                    self.entries.pop(key, None)
                    if key[0] == INODE:
                        self.overlays.pop(key[1], None)
                case 3:
                    inode, block = fields.number(8), fields.number(8)
                    value = fields.raw(fields.number(2))
                    self._hide(inode, block, block + self._extent(value).count)
                    self.entries[EXTENT, inode, block * BLOCK] = value
                case 4:
                    self._hide(fields.number(8), fields.number(8), fields.number(8))
                case 5:
                    inode, at = fields.number(8), fields.number(8)
                    self.overlays.setdefault(inode, []).append((at, fields.raw(fields.number(4))))
                case _:
                    raise RefusedError("a change is of an unknown kind")

    def _hide(self, inode: int, first: int, end: int) -> None:
        """Takes blocks `first` to `end` of a file away, and what was written over them."""
        for offset, value in self._extents(inode):
            extent = self._extent(value)
            begin, behind = offset // BLOCK, offset // BLOCK + extent.count
            if begin >= end or behind <= first:
                continue
            del self.entries[EXTENT, inode, offset]
            if begin < first:
                self.entries[EXTENT, inode, offset] = _part(value, extent.start, first - begin)
            if behind > end:
                self.entries[EXTENT, inode, end * BLOCK] = _part(value, extent.start + end - begin, behind - end)
        kept = []
        for at, data in self.overlays.pop(inode, []):
            before, after = data[: max(0, first * BLOCK - at)], data[max(0, end * BLOCK - at) :]
            kept += [(at, before)] if before else []
            kept += [(at + len(data) - len(after), after)] if after else []
        if kept:
            self.overlays[inode] = kept

    # Files

    def _inode(self, number: int) -> Inode:
        if self.unfinished:
            raise RefusedError("an unfinished copy: only its snapshots are something")
        fields = Fields(self.entries[INODE, number, 0])
        mode = fields.number(4)
        fields.raw(8)
        links, size = fields.number(4), fields.number(8)
        fields.raw(4 * 12 + 16)
        fields.reserved(4)
        inline = fields.raw(fields.number(2))
        if fields.data or (inline and len(inline) != size):
            raise RefusedError("an inode's content has not its size")
        return Inode(mode, links, size, inline)

    def _extent(self, value: bytes) -> Extent:
        fields = Fields(value)
        address, fence, counter, _birth = (fields.number(8) for _ in range(4))
        blocks, start, count = fields.number(2), fields.number(2), fields.number(2)
        fields.reserved(2)
        if not 1 <= blocks <= 32 or count < 1 or start + count > blocks:
            raise RefusedError("an extent is out of bounds")
        checks = tuple(self._check(fields) for _ in range((blocks + 3) // 4))
        if fields.data:
            raise RefusedError("an extent is too long")
        return Extent(address, fence, counter, blocks, start, count, checks)

    def _extents(self, inode: int) -> list[tuple[int, bytes]]:
        return sorted((key[2], value) for key, value in self.entries.items() if key[:2] == (EXTENT, inode))

    def read(self, number: int) -> dict[int, bytes]:
        """A file's data: bytes by offset. What is not there is zeros."""
        inode = self._inode(number)
        parts = {0: inode.inline} if inode.inline else {}
        for offset, value in self._extents(number):
            extent = self._extent(value)
            plaintext = b"".join(self._piece(extent, index) for index in range(len(extent.checks)))
            parts[offset] = plaintext[extent.start * BLOCK : (extent.start + extent.count) * BLOCK]
        return parts

    def _piece(self, extent: Extent, index: int) -> bytes:
        first, end = index * 4, min(index * 4 + 4, extent.blocks)
        if end <= extent.start or first >= extent.start + extent.count:
            return bytes((end - first) * BLOCK)
        pointer = Pointer(extent.address + first, extent.fence, extent.counter + index, extent.checks[index])
        return self._blocks(DATA, pointer, end - first)

    def content(self, number: int) -> bytes:
        """All of a file, in one piece."""
        size = self._inode(number).size
        data = bytearray(size)
        for at, part in [*self.read(number).items(), *self.overlays.get(number, [])]:
            part = part[: max(0, size - at)]
            data[at : at + len(part)] = part
        return bytes(data)

    def target(self, number: int) -> str:
        return self._inode(number).inline.decode()

    def attributes(self, number: int) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self._names(ATTRIBUTE, number)}

    def _names(self, kind: int, inode: int) -> Iterator[tuple[bytes, bytes]]:
        names_key = HKDF(SHA256(), 32, self.anchor.volume, b"casemate/volume/names/v1").derive(self.key)
        for key in sorted(key for key in self.entries if key[:2] == (kind, inode)):
            fields = Fields(self.entries[key])
            while fields.data:
                length, value = fields.number(1), fields.number(2)
                name = fields.raw(length)
                digest = hmac.digest(names_key, struct.pack("<Q", inode) + name, "sha256")
                if key[2] != max(16, int.from_bytes(digest[:8], "little") >> 1):
                    raise RefusedError("a name is not at its hash")
                yield name, fields.raw(value)

    def walk(self, directory: int = 1, path: str = "") -> Iterator[tuple[str, int, Inode]]:
        """Path, number and inode of everything, names in order of their bytes."""
        for name, value in sorted(self._names(ENTRY, directory)):
            number = int.from_bytes(value[:8], "little")
            inode = self._inode(number)
            here = f"{path}/{name.decode()}"
            yield here, number, inode
            if inode.mode & 0o170000 == DIRECTORY:
                yield from self.walk(number, here)


def _part(extent: bytes, start: int, count: int) -> bytes:
    return extent[:34] + struct.pack("<HH", start, count) + extent[38:]
