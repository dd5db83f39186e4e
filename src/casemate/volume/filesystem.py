"""Sealed volumes for pandas, pyarrow, Dask and everything else that uses fsspec, with no mount.

    options = {"volume": "V", "key_file": "K", "anchor": "file:A"}
    pandas.read_parquet("casemate:///table.parquet", storage_options=options)

A URL is `casemate://` and an absolute path in the volume. Which volume that is, the storage options say; with
`"access": "write"` it can be written to. Options hold paths, never keys: they may be pickled and logged. A process has
one writer for a volume, whoever opens it; other processes read beside it, what the anchor has at the moment of each
call. What was written is durable, and anchored, when the file is closed or the call returns.
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from typing import IO, Any, Final, Literal

from fsspec import AbstractFileSystem
from fsspec.utils import stringify_path

from casemate.errors import UsageError
from casemate.volume._sharing import shared
from casemate.volume._where import Durability, Freshness, Where
from casemate.volume.volume import Volume

__all__ = ["CasemateFileSystem"]

_SCHEME: Final = "casemate://"
_STEP: Final = 4 << 20
_NANOSECONDS: Final = 1_000_000_000

Access = Literal["read", "write"]


class CasemateFileSystem(AbstractFileSystem):
    """`volume` is the volume's folder, `key_file` and `anchor` are as on the command line; each can come from the
    environment, as all options of fsspec: `FSSPEC_CASEMATE_VOLUME`, `FSSPEC_CASEMATE_KEY_FILE`, and so on. (It is
    `access` and not `mode`, since fsspec keeps that word for itself.) With `snapshot`, a long job sees one state,
    whatever is written meanwhile. Relative paths mean other places in other processes. Nothing is opened before it is
    needed.
    """

    protocol = "casemate"
    root_marker = "/"

    def __init__(
        self,
        volume: str | None = None,
        key_file: str | None = None,
        anchor: str | None = None,
        access: Access = "read",
        durability: Durability = "durable",
        freshness: Freshness = "strict",
        snapshot: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if access not in {"read", "write"}:
            raise UsageError(f"no access is called {access}", expected="read or write")
        if volume is None or key_file is None or anchor is None:
            named = {"volume": volume, "key_file": key_file, "anchor": anchor}
            missing = ", ".join(name for name, value in named.items() if value is None)
            raise UsageError(
                f"which sealed volume is not said: no {missing}",
                expected='storage_options={"volume": FOLDER, "key_file": FILE, "anchor": "file:PATH"}',
            )
        if snapshot is not None and access == "write":
            raise UsageError(f"the snapshot {snapshot} stays as it is", remedy='leave "access": "write" out')
        self.access = access
        self._where = Where.of(volume, key_file, anchor, durability, freshness, snapshot)
        self._held: Volume | None = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """The path in the volume: with one slash at its beginning and none at its end."""
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = stringify_path(path)
        if text.startswith(_SCHEME):
            text = text.removeprefix(_SCHEME)
            if text and not text.startswith("/"):
                raise UsageError(
                    f"{_SCHEME}{text} names something before the path, which this release does not know",
                    expected=f"{_SCHEME}/PATH, with three slashes",
                )
        return "/" + text.strip("/")

    def close(self) -> None:
        """Closes the volume for all in this process that use it; the next call opens it again."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def invalidate_cache(self, path: str | None = None) -> None:
        """Nothing is cached: each call sees what the anchor has."""

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path, volume = self._strip_protocol(path), self._now()
        if volume.is_dir(path):
            infos = [_info(volume, entry.path) for entry in volume.scandir(path)]
        else:
            infos = [_info(volume, path)]
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return _info(self._now(), self._strip_protocol(path))

    def created(self, path: str) -> datetime:
        return datetime.fromtimestamp(self.info(path)["created"], tz=UTC)

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(self.info(path)["mtime"], tz=UTC)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        path, volume = self._strip_protocol(path), self._writable(path)
        if create_parents:
            volume.makedirs(path)
        else:
            volume.mkdir(path)
        self._settle(volume)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        path, volume = self._strip_protocol(path), self._writable(path)
        volume.makedirs(path, exist_ok=exist_ok)
        self._settle(volume)

    def rmdir(self, path: str) -> None:
        path, volume = self._strip_protocol(path), self._writable(path)
        volume.rmdir(path)
        self._settle(volume)

    def rm_file(self, path: str) -> None:
        path, volume = self._strip_protocol(path), self._writable(path)
        volume.remove(path)
        self._settle(volume)

    _rm = rm_file

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        if maxdepth is not None:
            raise UsageError("a volume removes a directory with all that is in it, or nothing", expected="no maxdepth")
        volume = self._writable(path)
        for one in self.expand_path(path):
            if recursive and volume.is_dir(one) and not _is_link(volume, one):
                volume.rmtree(one)
            else:
                volume.remove(one)
        self._settle(volume)

    def mv_file(self, path1: str, path2: str, **_: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        volume = self._writable(target)
        volume.rename(source, target)
        self._settle(volume)

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **options: Any) -> None:
        """One step, where one thing gets one name: a directory needs `recursive`, like everywhere in fsspec."""
        if not (isinstance(path1, str) and isinstance(path2, str)) or maxdepth is not None or _has_magic(path1):
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **options)
            return
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.isdir(source) and not recursive:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
        if path2.endswith("/") or self.isdir(target):
            target = os.path.join(target, os.path.basename(source))
        self.mv_file(source, target)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        volume = self._writable(target)
        if volume.is_dir(source):
            volume.makedirs(target, exist_ok=True)
            self._settle(volume)
            return
        with volume.open(source, "rb", 0) as reading, volume.open(target, "wb", 0, durable=True) as writing:
            while data := reading.read(_STEP):
                writing.write(data)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        path, volume = self._strip_protocol(path), self._writable(path)
        with volume.open(path, "wb" if truncate else "ab", durable=True):
            pass
        now = int(datetime.now(tz=UTC).timestamp() * _NANOSECONDS)
        volume.utime(path, ns=(now, now))
        self._settle(volume)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        with self._now().open(self._strip_protocol(path), "rb", 0) as file:
            size = file.seek(0, os.SEEK_END)
            first, last, _step = slice(start, end).indices(size)
            file.seek(first)
            return file.read(max(0, last - first))

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        **_: Any,
    ) -> IO[bytes]:
        volume = self._now() if mode == "rb" else self._writable(path)
        if not autocommit:
            raise UsageError(
                "a volume's file system has no transactions", remedy="write under another name, and move the file then"
            )
        buffering = block_size if isinstance(block_size, int) else -1
        return volume.open(path, mode, buffering, durable=True)

    def _volume(self) -> Volume:
        volume = shared(self._where, writing=self.access == "write")
        if volume.writable == (self.access == "write"):
            self._held = volume
        return volume

    def _now(self) -> Volume:
        volume = self._volume()
        volume.refresh()
        return volume

    def _writable(self, path: Any) -> Volume:
        if self.access == "write":
            return self._volume()
        raise OSError(errno.EROFS, 'opened for reading: for more, say "access": "write" in the storage options', path)

    def _settle(self, volume: Volume) -> None:
        """Changes of names are durable, and anchored."""
        volume.fsync("/")


def _info(volume: Volume, path: str) -> dict[str, Any]:
    found = volume.stat(path, follow_symlinks=False)
    is_link = stat.S_ISLNK(found.st_mode)
    if is_link and volume.exists(path):
        found = volume.stat(path)
    return {
        "name": path,
        "size": found.st_size,
        "type": _type(found.st_mode),
        "created": volume.created_ns(path) / _NANOSECONDS,
        "mtime": found.st_mtime,
        "mode": found.st_mode,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "ino": found.st_ino,
        "nlink": found.st_nlink,
        "islink": is_link,
    }


def _type(mode: int) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "other")


def _is_link(volume: Volume, path: str) -> bool:
    return stat.S_ISLNK(volume.stat(path, follow_symlinks=False).st_mode)


def _has_magic(path: str) -> bool:
    return any(letter in path for letter in "*?[")
