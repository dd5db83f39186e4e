"""A shield that runs, whoever launched it, and the bundle that it is handed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Running", "bundle_file"]


class Running(ABC):
    """Leaving the context, or `close`, ends it. `pid` is the shield's."""

    pid: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def wait(self) -> int:
        """The exit status as a shell counts it: 128 and the number of a signal that ended it. `PlatformError`."""

    @abstractmethod
    def signal(self, number: int) -> None:
        """Nothing, where it ended meanwhile: `wait` tells how."""

    @abstractmethod
    def close(self) -> None: ...


@contextmanager
def bundle_file(data: bytes) -> Iterator[int]:
    """A descriptor of `data`, from the first byte: a launch bundle never touches a disk."""
    descriptor = os.memfd_create("casemate-bundle", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
