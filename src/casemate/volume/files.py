"""Files of a sealed volume as Python has files: `io.RawIOBase`, buffered, and as text."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import casemate_native
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["BUFFER", "Mode", "RawFile", "layered"]

BUFFER: Final = 128 * 1024
"""Bytes of a buffer, if nobody wants another: as many as the volume seals in one place."""


@dataclass(frozen=True)
class Mode:
    """A mode of `open`, taken apart: what is done with the file."""

    reading: bool
    writing: bool
    appending: bool
    creating: bool
    exclusive: bool
    truncating: bool
    text: bool

    @classmethod
    def parse(cls, mode: str) -> Mode:
        """`mode` as of the built-in `open`. Errors: ValueError."""
        letters = set(mode)
        kinds = letters & set("rwxa")
        if len(letters) != len(mode) or letters - set("rwxabt+") or len(kinds) != 1 or {"b", "t"} <= letters:
            raise ValueError(f"invalid mode: {mode!r}")
        (kind,) = kinds
        both = "+" in letters
        return cls(
            reading=kind == "r" or both,
            writing=kind != "r" or both,
            appending=kind == "a",
            creating=kind != "r",
            exclusive=kind == "x",
            truncating=kind == "w",
            text="b" not in letters,
        )


class RawFile(io.RawIOBase):
    """A file without a buffer. With `durable`, what was written is durable, and anchored, when it is closed."""

    def __init__(
        self, engine: casemate_native.Volume, path: str, mode: Mode, *, permissions: int, durable: bool
    ) -> None:
        self.name = path
        self._engine, self._mode, self._durable = engine, mode, durable
        self._inode: int | None = None
        self._position = 0
        create = permissions if mode.creating else None
        self._inode = engine.open(os.fsencode(path), create, mode.exclusive, mode.truncating)
        if mode.appending:
            self.seek(0, os.SEEK_END)

    @property
    def mode(self) -> str:
        return "rb+" if self._mode.reading and self._mode.writing else "wb" if self._mode.writing else "rb"

    def readable(self) -> bool:
        return self._open() and self._mode.reading

    def writable(self) -> bool:
        return self._open() and self._mode.writing

    def seekable(self) -> bool:
        return self._open()

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        length = self.size if size is None or size < 0 else size
        data = self._engine.read(self._for("reading"), self._position, length)
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: ReadableBuffer) -> int:
        """All of `data`: there are no partial writes."""
        inode = self._for("writing")
        whole = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if self._mode.appending:
            self._position = self._engine.append(inode, whole)
        else:
            self._engine.write(inode, self._position, whole)
            self._position += len(whole)
        return len(whole)

    def tell(self) -> int:
        self._open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: None}.get(whence, -1)
        if base == -1:
            raise ValueError(f"invalid whence: {whence}")
        position = (self.size if base is None else base) + offset
        if position < 0:
            raise ValueError(f"negative seek value {position}")
        self._position = position
        return position

    def truncate(self, size: int | None = None) -> int:
        wanted = self._position if size is None else size
        if wanted < 0:
            raise ValueError(f"negative size value {wanted}")
        self._engine.truncate(self._for("writing"), wanted)
        return wanted

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return self._engine.stat_file(self._handle())[5]

    def sync(self) -> None:
        """What was written to the file is durable, and anchored, when this returns. Buffers above are flushed first."""
        self._engine.fsync(self._handle())

    def close(self) -> None:
        if self.closed:
            return
        inode, self._inode = self._inode, None
        try:
            if inode is not None and not self._engine.is_closed():
                self._end(inode)
        finally:
            super().close()

    def _end(self, inode: int) -> None:
        try:
            if self._durable and self._mode.writing:
                self._engine.fsync(inode)
        finally:
            self._engine.close_file(inode)

    def _handle(self) -> int:
        self._open()
        if self._inode is None:
            raise ValueError("I/O operation on closed file.")
        return self._inode

    def _for(self, what: str) -> int:
        inode = self._handle()
        if not (self._mode.reading if what == "reading" else self._mode.writing):
            raise io.UnsupportedOperation(f"the file is not open for {what}")
        return inode

    def _open(self) -> bool:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        return True


def layered(
    raw: RawFile, mode: Mode, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> IO[bytes] | IO[str]:
    """`raw` with what the built-in `open` would put over it. Errors: ValueError for what does not go together."""
    if not mode.text and (encoding, errors, newline) != (None, None, None):
        raise ValueError("binary mode takes no encoding, errors or newline")
    if buffering == 0:
        if mode.text:
            raise ValueError("text cannot be unbuffered")
        return raw  # type: ignore[return-value]  # typeshed: raw files are no IO[bytes]
    size = BUFFER if buffering in {-1, 1} else buffering
    buffered = _buffered(raw, mode, size)
    if not mode.text:
        return buffered
    text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = raw.mode.replace("b", "")  # type: ignore[misc]
    return text


class _Sized:
    """What users of fsspec ask of a file."""

    @property
    def size(self) -> int:
        """Bytes of the file now, without those that are in this buffer."""
        return cast("RawFile", cast("io.BufferedReader", self).raw).size


class _Reader(_Sized, io.BufferedReader):
    pass


class _Writer(_Sized, io.BufferedWriter):
    pass


class _Both(_Sized, io.BufferedRandom):
    pass


def _buffered(raw: RawFile, mode: Mode, size: int) -> _Reader | _Writer | _Both:
    if mode.reading and mode.writing:
        return _Both(raw, size)
    return _Reader(raw, size) if mode.reading else _Writer(raw, size)
