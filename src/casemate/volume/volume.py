"""A sealed volume in this process: no mount, no root, no other program.

    with Volume.open_writing("V", key_file="K", anchor="file:A") as volume:
        with volume.open("/notes.txt", "w") as file:
            file.write("sealed")
        volume.sync()

Paths are those of the volume: absolute, or from its root. What a file system would refuse is an `OSError` with the
usual class (`FileNotFoundError`, ...); what a volume refuses (`VolumeTamperedError`, `VolumeRolledBackError`,
`VolumeInUseError`, ...) is in `casemate.errors`. Whoever has the key may do everything: permissions are kept, and
not asked. Threads may share a volume; a process that is forked from this one may not.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self, overload

from casemate.errors import UsageError
from casemate.volume import key
from casemate.volume._engine import engine
from casemate.volume._where import Durability, Freshness, Where
from casemate.volume.files import BUFFER, Mode, RawFile, layered

if TYPE_CHECKING:
    import casemate_native

__all__ = ["Entry", "Imported", "Progress", "Snapshot", "Volume", "VolumeInfo"]

StrPath = str | os.PathLike[str]

_BinaryMode = Literal["rb", "wb", "ab", "xb", "rb+", "wb+", "ab+", "xb+", "r+b", "w+b", "a+b", "x+b"]
_TextMode = Literal["r", "w", "a", "x", "r+", "w+", "a+", "x+"]

Progress = Callable[[int, int], object]
"""Told how many of how many bytes are done. What it raises ends the work."""

_BLOCK: Final = 4096
_SMALLEST: Final = 64 * _BLOCK
_LARGEST: Final = 1 << 46
_FOLLOW: Final = True
_BORN: Final = 9
_EXISTS: Final = {0: None, os.XATTR_CREATE: False, os.XATTR_REPLACE: True}


@dataclass(frozen=True)
class VolumeInfo:
    """Where a volume stands.

    `identity` are 32 hexadecimal digits; `root` is `tag` or `hash`; `generation` counts checkpoints, `anchored` is the
    newest one that the anchor has; `sequence` counts groups of the log; `fence` is the number of the writer.
    """

    identity: str
    root: str
    generation: int
    anchored: int
    sequence: int
    fence: int


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint that is kept: its name, its generation, when it was taken in nanoseconds since 1970."""

    name: str
    generation: int
    taken_ns: int


@dataclass(frozen=True)
class Imported:
    """What an import copied: names (of directories, too), and bytes of content."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Entry:
    """A name in a directory, as `os.DirEntry`."""

    name: str
    path: str
    _inode: int
    _kind: int
    _volume: Volume

    def inode(self) -> int:
        return self._inode

    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self._kind)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self._mode(follow_symlinks=follow_symlinks))

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISREG(self._mode(follow_symlinks=follow_symlinks))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return self._volume.stat(self.path, follow_symlinks=follow_symlinks)

    def __fspath__(self) -> str:
        return self.path

    def _mode(self, *, follow_symlinks: bool) -> int:
        if not (self.is_symlink() and follow_symlinks):
            return self._kind
        try:
            return self.stat().st_mode
        except FileNotFoundError:
            return 0


class Volume:
    """An open sealed volume. Made by `open_writing` and `open_reading`; to be closed, best by `with`."""

    def __init__(self, engine: casemate_native.Volume, *, writable: bool) -> None:
        self._engine = engine
        self._process = os.getpid()
        self._files: weakref.WeakSet[Any] = weakref.WeakSet()
        self.writable: Final = writable
        _OPEN.add(self)

    @staticmethod
    def create(
        folder: StrPath,
        *,
        key_file: StrPath,
        anchor: str,
        size: int | None = None,
        root: Literal["tag", "hash"] = "tag",
        durability: Durability = "durable",
    ) -> None:
        """Makes a volume: its folder, the anchor's file, and the key file where there is none. Without the key the
        volume is lost.

        `size` is the most that it may hold, in bytes, 256 KiB to 64 TiB; if not given, what the host has free. `root`
        `hash` also binds those who have the key. Errors: UsageError, VolumeExistsError, VolumeError.
        """
        if size is not None and not _SMALLEST <= size <= _LARGEST:
            raise UsageError(f"a volume of {size} bytes cannot be", expected=f"{_SMALLEST} to {_LARGEST} bytes")
        where = Where.of(folder, key_file, anchor, durability, "strict")
        maker = engine()
        if not where.key_file.exists():
            key.create(where.key_file)
        maker.create(*where.arguments(), root=root, capacity=None if size is None else size // _BLOCK * _BLOCK)

    @classmethod
    def open_writing(
        cls,
        folder: StrPath,
        *,
        key_file: StrPath,
        anchor: str,
        durability: Durability = "durable",
        freshness: Freshness = "strict",
    ) -> Self:
        """Opens for reading and writing: one process at a time. `anchor` is `file:PATH`.

        Errors: VolumeInUseError beside another writer, VolumeRolledBackError, VolumeTamperedError (also for a wrong
        key), VolumeMissingError, VolumeError; UsageError for the key file or the anchor's notation.
        """
        return cls.at(Where.of(folder, key_file, anchor, durability, freshness), writing=True)

    @classmethod
    def open_reading(
        cls,
        folder: StrPath,
        *,
        key_file: StrPath,
        anchor: str,
        durability: Durability = "durable",
        freshness: Freshness = "strict",
        snapshot: str | None = None,
    ) -> Self:
        """Opens what the anchor has, for reading: any number of processes, beside a writer. What that writes later is
        seen after `refresh`, or once it used the space again of what is read. With `snapshot`, that snapshot, which
        stays as it is. Errors: as `open_writing`; FileNotFoundError for the snapshot.
        """
        return cls.at(Where.of(folder, key_file, anchor, durability, freshness, snapshot), writing=False)

    @classmethod
    def at(cls, where: Where, *, writing: bool) -> Self:
        """As `open_writing` or `open_reading`."""
        opener, arguments = engine(), (*where.arguments(), where.freshness)
        if writing:
            return cls(opener.open_writing(*arguments), writable=True)
        snapshot = None if where.snapshot is None else os.fsencode(where.snapshot)
        return cls(opener.open_reading(*arguments, snapshot), writable=False)

    def close(self) -> None:
        """Closes the volume and the files that are open in it: all is durable and anchored when this returns.

        Errors: VolumeError where that failed; the volume is closed then, too. In a process that was forked from the one
        that opened it, nothing happens.
        """
        if os.getpid() != self._process:
            return
        with contextlib.ExitStack() as ending:  # each of them, whatever another says
            ending.callback(self._engine.close)
            for file in list(self._files):
                ending.callback(file.close)

    @property
    def closed(self) -> bool:
        return self._engine.is_closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_engine"):
            with contextlib.suppress(Exception):
                self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "writing" if self.writable else "reading"
        return f"<Volume {state}>"

    def refresh(self) -> bool:
        """Lets a reader see what the anchor has now; whether that is something else. Files that are open stay open.
        A writer sees everything always.
        """
        return self._engine.refresh()

    def sync(self) -> None:
        """All that was written to the volume is durable, and anchored, when this returns."""
        self._engine.sync()

    def fsync(self, path: StrPath) -> None:
        """What was written to this file, and all changes of names, are durable, and anchored, when this returns."""
        self._engine.fsync(self.stat(path).st_ino)

    def verify(self, *, progress: Progress | None = None) -> None:
        """Reads and verifies everything; other threads that use the volume wait. Errors: VolumeTamperedError, and what
        `progress` raises: it cannot use the volume meanwhile (RuntimeError).
        """
        self._engine.verify(progress)

    def info(self) -> VolumeInfo:
        return VolumeInfo(self._engine.identity().hex(), *self._engine.status())

    def create_snapshot(self, name: str) -> Snapshot:
        """Keeps the volume as it is now under a name: durable and anchored when this returns. What it needs stays in
        use until it is deleted. Errors: OSError (FileExistsError), VolumeError.
        """
        return _snapshot(self._engine.create_snapshot(os.fsencode(name)))

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the oldest first; of a snapshot that is open, none."""
        return [_snapshot(found) for found in self._engine.snapshots()]

    def delete_snapshot(self, name: str) -> None:
        """Deletes a snapshot, and frees what only it needs. Errors: OSError (FileNotFoundError), VolumeError."""
        self._engine.delete_snapshot(os.fsencode(name))

    def statvfs(self) -> os.statvfs_result:
        """Room, as `os.statvfs`."""
        block, blocks, free, available, name = self._engine.statistics()
        return os.statvfs_result((block, block, blocks, free, available, 0, 0, 0, 0, name))

    @overload
    def open(
        self, path: StrPath, mode: _BinaryMode, buffering: int = -1, *, permissions: int = 0o644, durable: bool = False
    ) -> IO[bytes]: ...  # fmt: skip
    @overload
    def open(
        self, path: StrPath, mode: _TextMode = "r", buffering: int = -1,
        encoding: str | None = None, errors: str | None = None, newline: str | None = None, *,
        permissions: int = 0o644, durable: bool = False,
    ) -> IO[str]: ...  # fmt: skip
    @overload
    def open(
        self, path: StrPath, mode: str, buffering: int = -1,
        encoding: str | None = None, errors: str | None = None, newline: str | None = None, *,
        permissions: int = 0o644, durable: bool = False,
    ) -> IO[Any]: ...  # fmt: skip
    def open(
        self,
        path: StrPath,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        *,
        permissions: int = 0o644,
        durable: bool = False,
    ) -> IO[Any]:
        """Opens a file as the built-in `open` does. `permissions` are those of a file that is made. With `durable`,
        what was written is durable, and anchored, when the file is closed. Errors: OSError, VolumeError.
        """
        parsed = Mode.parse(mode)
        raw = RawFile(self._engine, os.fspath(path), parsed, permissions=permissions, durable=durable)
        try:
            file = layered(raw, parsed, buffering, encoding, errors, newline)
        except BaseException:
            raw.close()
            raise
        self._files.add(file)
        return file

    def stat(self, path: StrPath, *, follow_symlinks: bool = True) -> os.stat_result:
        """As `os.stat`. Errors: OSError."""
        return _stat_result(self._engine.stat(os.fsencode(path), follow_symlinks))

    def created_ns(self, path: StrPath) -> int:
        """When something was made, in nanoseconds since 1970: `os.stat_result` has no place for it. Errors: OSError."""
        return self._engine.stat(os.fsencode(path), _FOLLOW)[_BORN]

    def exists(self, path: StrPath) -> bool:
        """Whether something is there; a symbolic link counts as what it leads to."""
        return self._kind(path) != 0

    def is_dir(self, path: StrPath) -> bool:
        return stat.S_ISDIR(self._kind(path))

    def is_file(self, path: StrPath) -> bool:
        return stat.S_ISREG(self._kind(path))

    def listdir(self, path: StrPath = "/") -> list[str]:
        """Names in a directory, in no order. Errors: OSError."""
        return [os.fsdecode(name) for name, _, _ in self._engine.scan(os.fsencode(path))]

    def scandir(self, path: StrPath = "/") -> list[Entry]:
        """What is in a directory, in no order, as `os.scandir`. Errors: OSError."""
        above = os.fspath(path)
        found = [(os.fsdecode(name), inode, kind) for name, inode, kind in self._engine.scan(os.fsencode(path))]
        return [Entry(name, os.path.join(above, name), inode, kind, self) for name, inode, kind in found]

    def walk(self, top: StrPath = "/") -> Iterator[tuple[str, list[str], list[str]]]:
        """As `os.walk`, from above: path, names of directories (which may be changed), other names. Links to
        directories are not followed. Errors: OSError.
        """
        entries = self.scandir(top)
        directories = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        others = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
        yield os.fspath(top), directories, others
        for name in directories:
            yield from self.walk(os.path.join(top, name))

    def mkdir(self, path: StrPath, permissions: int = 0o755) -> None:
        """Makes a directory. Errors: OSError."""
        self._engine.mkdir(os.fsencode(path), permissions)

    def makedirs(self, path: StrPath, permissions: int = 0o755, *, exist_ok: bool = False) -> None:
        """Makes a directory and those above it. Errors: OSError; FileExistsError unless `exist_ok` and a directory."""
        above = os.path.dirname(os.fspath(path).rstrip("/"))
        if above.strip("/") and not self.is_dir(above):
            self.makedirs(above, permissions, exist_ok=True)
        try:
            self.mkdir(path, permissions)
        except FileExistsError:
            if not (exist_ok and self.is_dir(path)):
                raise

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Gives something another name, in place of what has it: one step, also after a crash. Errors: OSError."""
        self._engine.rename(os.fsencode(source), os.fsencode(target))

    replace = rename

    def remove(self, path: StrPath) -> None:
        """Removes a file's name. A file that is open stays until it is closed. Errors: OSError."""
        self._engine.unlink(os.fsencode(path))

    def rmdir(self, path: StrPath) -> None:
        """Removes an empty directory. Errors: OSError."""
        self._engine.rmdir(os.fsencode(path))

    def rmtree(self, path: StrPath) -> None:
        """Removes a directory with all that is in it. Errors: OSError."""
        for entry in self.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                self.rmtree(entry.path)
            else:
                self.remove(entry.path)
        self.rmdir(path)

    def symlink(self, target: StrPath, path: StrPath) -> None:
        """Makes a symbolic link at `path`. Errors: OSError."""
        self._engine.symlink(os.fsencode(target), os.fsencode(path))

    def readlink(self, path: StrPath) -> str:
        """The target of a symbolic link. Errors: OSError."""
        return os.fsdecode(self._engine.readlink(os.fsencode(path)))

    def link(self, source: StrPath, target: StrPath) -> None:
        """Gives a file a second name. Errors: OSError."""
        self._engine.link(os.fsencode(source), os.fsencode(target))

    def chmod(self, path: StrPath, permissions: int) -> None:
        """Sets permissions. Errors: OSError."""
        self._engine.set_attributes(os.fsencode(path), follow=_FOLLOW, mode=permissions)

    def chown(self, path: StrPath, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        """Sets owner and group. Errors: OSError."""
        self._engine.set_attributes(os.fsencode(path), follow=follow_symlinks, uid=uid, gid=gid)

    def utime(self, path: StrPath, *, ns: tuple[int, int]) -> None:
        """Sets the times of access and of content, in nanoseconds since 1970. Errors: OSError, OverflowError."""
        self._engine.set_attributes(os.fsencode(path), follow=_FOLLOW, accessed=ns[0], modified=ns[1])

    def getxattr(self, path: StrPath, name: str, *, follow_symlinks: bool = True) -> bytes:
        """The value of an extended attribute. Errors: OSError (ENODATA)."""
        return self._engine.attribute(os.fsencode(path), follow_symlinks, os.fsencode(name))

    def listxattr(self, path: StrPath, *, follow_symlinks: bool = True) -> list[str]:
        """Names of the extended attributes, in no order. Errors: OSError."""
        return [os.fsdecode(name) for name in self._engine.attribute_names(os.fsencode(path), follow_symlinks)]

    def setxattr(self, path: StrPath, name: str, value: bytes, flags: int = 0, *, follow_symlinks: bool = True) -> None:
        """Sets an extended attribute; `flags` are `os.XATTR_CREATE` or `os.XATTR_REPLACE`. Errors: OSError."""
        if flags not in _EXISTS:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fspath(path))
        self._engine.set_attribute(os.fsencode(path), follow_symlinks, os.fsencode(name), value, _EXISTS[flags])

    def removexattr(self, path: StrPath, name: str, *, follow_symlinks: bool = True) -> None:
        """Removes an extended attribute. Errors: OSError (ENODATA)."""
        self._engine.remove_attribute(os.fsencode(path), follow_symlinks, os.fsencode(name))

    def import_tree(self, source: StrPath, into: StrPath = "/", *, progress: Progress | None = None) -> Imported:
        """Copies what is in a folder of this machine into a directory of the volume: contents, links, owners, times,
        extended attributes, holes. What is there already is not replaced. What was copied before an error stays.

        Errors: OSError with the path that it is about, VolumeError, and what `progress` raises.
        """
        return Imported(*self._engine.import_tree(Path(source).absolute(), os.fsencode(into), progress))

    def export_tree(self, target: StrPath, *, progress: Progress | None = None) -> int:
        """Copies the whole volume into a new folder of this machine; how many names. Errors: as `import_tree`."""
        return self._engine.export_tree(Path(target).absolute(), progress)

    def _kind(self, path: StrPath) -> int:
        try:
            return stat.S_IFMT(self.stat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return 0


_OPEN: weakref.WeakSet[Volume] = weakref.WeakSet()
"""What is to be closed when this process ends."""


def _close_all() -> None:
    for volume in list(_OPEN):
        volume.close()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_OPEN.clear)


_SECOND: Final = 1_000_000_000


def _snapshot(found: tuple[bytes, int, int]) -> Snapshot:
    name, generation, taken = found
    return Snapshot(os.fsdecode(name), generation, taken)


def _stat_result(found: tuple[Any, ...]) -> os.stat_result:
    mode, inode, links, uid, gid, size, accessed, modified, changed, _, device = found
    times = {"st_atime": accessed, "st_mtime": modified, "st_ctime": changed}
    more: dict[str, Any] = {f"{name}_ns": value for name, value in times.items()}
    more |= {name: value / _SECOND for name, value in times.items()}
    more |= {"st_rdev": os.makedev(*device), "st_blksize": BUFFER, "st_blocks": -(-size // _BLOCK) * (_BLOCK // 512)}
    seconds = [value // _SECOND for value in times.values()]
    return os.stat_result((mode, inode, 0, links, uid, gid, size, *seconds), more)
