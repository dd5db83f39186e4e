"""One of several processes that do random things on a mount and compare what they find with a model in memory.

    python worker.py ROOT NAME SEED OPERATIONS JOURNAL

ROOT/NAME is its own; ROOT/shared belongs to all. JOURNAL lies outside of the mount, one JSON object a line:

    {"changes": [path, …]}     before an operation: what it may change
    {"durable": {path: what, …}, "gone": [path, …]}   after an fsync: what must be there from now on, and what must not
    {"final": {path: what, …}, "counted": n, "put": [name, …], "taken": [name, …]}    at the end

`what` is a type, and more where it is known: a file's digest, a link's target.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

LARGEST = 300_000
NAMES = 12
PAGE = 4096


class Tree:
    """What the worker's own folder must look like: contents of files, targets of links, `None` for folders."""

    def __init__(self, root: Path, chance: random.Random, journal: Callable[[dict[str, object]], None]) -> None:
        self.root, self.chance, self.journal = root, chance, journal
        self.files: dict[str, bytearray] = {}
        self.links: dict[str, str] = {}
        self.folders: set[str] = {""}
        self.gone: set[str] = set()
        self.flushed: set[str] = set()

    def step(self) -> None:
        chances = {
            self.create: 4, self.write: 8, self.write_mapped: 2, self.write_directly: 2, self.append: 3,
            self.truncate: 2, self.cut_and_grow: 1, self.read: 6, self.rename: 3, self.rename_folder: 1, self.remove: 2,
            self.make_folder: 2, self.remove_folder: 1, self.link: 1, self.list: 2, self.fsync: 3,
        }  # fmt: skip
        self.chance.choices(list(chances), list(chances.values()))[0]()

    def create(self) -> None:
        path = self._fresh()
        self._announce(path)
        with (self.root / path).open("xb") as file:
            content = self._bytes(self.chance.choice([0, 100, 3000, 50_000]))
            file.write(content)
            self.files[path] = bytearray(content)

    def write(self) -> None:
        if path := self._file():
            offset, content = self.chance.randrange(LARGEST // 2), self._bytes(self.chance.randrange(20_000))
            self._announce(path)
            with (self.root / path).open("r+b") as file:
                file.seek(offset)
                file.write(content)
                self._put(path, offset, content)

    def write_mapped(self) -> None:
        path = self._file()
        if path and (content := self.files[path]):
            offset = self.chance.randrange(len(content))
            change = self._bytes(min(self.chance.randrange(1, 9000), len(content) - offset))
            self._announce(path)
            with (self.root / path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
                mapped[offset : offset + len(change)] = change
                self._put(path, offset, change)

    def write_directly(self) -> None:
        if path := self._file():
            offset, content = self.chance.randrange(20) * PAGE, self._bytes(self.chance.randrange(1, 5) * PAGE)
            self._announce(path)
            with mmap.mmap(-1, len(content)) as memory:
                memory[:] = content
                file = os.open(self.root / path, os.O_WRONLY | os.O_DIRECT)
                written = os.pwritev(file, [memory], offset)
                os.close(file)
                self._put(path, offset, content[:written])

    def append(self) -> None:
        if path := self._file():
            content = self._bytes(self.chance.randrange(2000))
            self._announce(path)
            with (self.root / path).open("ab") as file:
                file.write(content)
                self.files[path] += content

    def truncate(self) -> None:
        if path := self._file():
            size = self.chance.randrange(LARGEST // 3)
            self._announce(path)
            os.truncate(self.root / path, size)
            content = self.files[path]
            content[size:] = bytes(max(0, size - len(content)))

    def cut_and_grow(self) -> None:
        """What was cut off comes back as zeros."""
        if path := self._file():
            size = len(self.files[path])
            self._announce(path)
            os.truncate(self.root / path, size // 2)
            os.truncate(self.root / path, size)
            self.files[path][size // 2 :] = bytes(size - size // 2)

    def read(self) -> None:
        if path := self._file():
            content = bytes(self.files[path])
            found = (self.root / path).read_bytes()
            assert found == content, f"{path}: {len(found)} bytes instead of {len(content)}, or others"

    def rename(self) -> None:
        if path := self._file():
            target = self.chance.choice([self._fresh(), self._file() or path])
            self._announce(path, target)
            os.rename(self.root / path, self.root / target)
            self.files[target] = self.files.pop(path)
            self.gone.add(path)
            self.gone.discard(target)

    def rename_folder(self) -> None:
        path = self._folder()
        if path and not (target := self._fresh()).startswith(f"{path}/"):
            below = [other for other in (*self.files, *self.links, *self.folders) if _is_below(other, path)]
            moved = {other: target + other.removeprefix(path) for other in below}
            self._announce(*moved, *moved.values())
            os.rename(self.root / path, self.root / target)
            self.files = {moved.get(name, name): content for name, content in self.files.items()}
            self.links = {moved.get(name, name): content for name, content in self.links.items()}
            self.folders = {moved.get(name, name) for name in self.folders}
            self.gone.update(moved)
            self.gone.difference_update(moved.values())

    def remove(self) -> None:
        if path := self._file():
            self._announce(path)
            os.unlink(self.root / path)
            del self.files[path]
            self.gone.add(path)

    def make_folder(self) -> None:
        path = self._fresh()
        if path.count("/") < 4:
            self._announce(path)
            os.mkdir(self.root / path)
            self.folders.add(path)

    def remove_folder(self) -> None:
        if path := self._folder():
            everything = (*self.files, *self.links, *self.folders)
            if any(other != path and _is_below(other, path) for other in everything):
                return
            self._announce(path)
            os.rmdir(self.root / path)
            self.folders.remove(path)
            self.gone.add(path)

    def link(self) -> None:
        path, target = self._fresh(), "x" * self.chance.randrange(1, 200)
        self._announce(path)
        os.symlink(target, self.root / path)
        self.links[path] = target

    def list(self) -> None:
        path = self.chance.choice(sorted(self.folders))
        everything = (*self.files, *self.links, *self.folders - {""})
        expected = {other.rpartition("/")[2] for other in everything if other.rpartition("/")[0] == path}
        assert set(os.listdir(self.root / path)) == expected, path

    def fsync(self) -> None:
        if path := self._file():
            with (self.root / path).open("rb") as file:
                os.fsync(file.fileno())
            self.flushed.add(path)
            self.journal({"durable": self.everything(), "gone": sorted(self.gone)})

    def everything(self, *, flushed_only: bool = True) -> dict[str, str]:
        files = dict.fromkeys(self.files, "file")
        known = [path for path in self.files if path in self.flushed or not flushed_only]
        files.update((path, f"file {hashlib.sha256(self.files[path]).hexdigest()}") for path in known)
        links = {path: f"link {target}" for path, target in self.links.items()}
        return {**files, **links, **dict.fromkeys(self.folders, "folder")}

    def _announce(self, *paths: str) -> None:
        """What the next operation may change."""
        self.journal({"changes": paths})
        self.flushed.difference_update(paths)
        self.gone.difference_update(paths)

    def _put(self, path: str, offset: int, content: bytes) -> None:
        held = self.files[path]
        if content:
            held.extend(bytes(max(0, offset - len(held))))
            held[offset : offset + len(content)] = content

    def _file(self) -> str | None:
        return self.chance.choice(sorted(self.files)) if self.files else None

    def _folder(self) -> str | None:
        folders = sorted(self.folders - {""})
        return self.chance.choice(folders) if folders else None

    def _fresh(self) -> str:
        """A path without anything."""
        while True:
            folder = self.chance.choice(sorted(self.folders))
            path = f"{folder}/{self.chance.randrange(NAMES)}-{self.chance.randrange(10**6)}".lstrip("/")
            if path not in self.files and path not in self.links and path not in self.folders:
                return path

    def _bytes(self, length: int) -> bytes:
        return self.chance.randbytes(length)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


class Shared:
    """A counter behind a lock, and a queue of files that workers take from one another by renaming them."""

    def __init__(self, root: Path, own: Path, name: str, chance: random.Random) -> None:
        self.root, self.own, self.name, self.chance = root, own, name, chance
        self.counted = 0
        self.put: list[str] = []
        self.taken: list[str] = []
        own.mkdir()

    def step(self) -> None:
        self.chance.choice([self.count, self.produce, self.consume])()

    def count(self) -> None:
        with (self.root / "lock").open("ab") as lock:
            kind = self.chance.choice([fcntl.flock, fcntl.lockf])
            # Both kinds, since they know nothing of each other: always in this order.
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.lockf(lock, fcntl.LOCK_EX)
            path = self.root / "counter"
            number = int(path.read_text()) if path.exists() else 0
            if kind is fcntl.flock:
                path.write_text(f"{number + 1}")
            else:
                (self.root / "counter.new").write_text(f"{number + 1}")
                (self.root / "counter.new").replace(path)
        self.counted += 1

    def produce(self) -> None:
        item = f"{self.name}-{len(self.put)}"
        (self.own / "new").write_text(item)
        (self.own / "new").rename(self.root / "queue" / item)
        self.put.append(item)

    def consume(self) -> None:
        for item in sorted(os.listdir(self.root / "queue"))[:3]:
            try:
                (self.root / "queue" / item).rename(self.own / item)
            except FileNotFoundError:
                continue
            assert (self.own / item).read_text() == item
            self.taken.append(item)
            return


def main() -> None:
    root, name, seed, operations, path = sys.argv[1:]
    chance = random.Random(int(seed))
    with Path(path).open("a") as journal:

        def tell(entry: dict[str, object]) -> None:
            journal.write(json.dumps(entry) + "\n")
            journal.flush()

        own = Path(root) / name
        own.mkdir()
        tree, shared = (
            Tree(own, chance, tell),
            Shared(Path(root) / "shared", Path(root) / f"{name}-taken", name, chance),
        )
        for _ in range(int(operations)):
            tree.step()
            if chance.random() < 0.2:
                shared.step()
        final = tree.everything(flushed_only=False)
        tell({"final": final, "counted": shared.counted, "put": shared.put, "taken": shared.taken})


if __name__ == "__main__":
    main()
