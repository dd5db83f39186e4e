"""The private root as it grows: entries with digests, and where on this machine each file was found."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from casemate.errors import ManifestError
from casemate.wire.manifest import MAX_ROOT_ENTRIES, Directory, File, RootEntry, Symlink

__all__ = ["Root", "digest_file"]

_CHUNK = 1024 * 1024


@dataclass
class Root:
    """Paths inside the private root → entry, and → file of this machine (only where it is not the same path)."""

    entries: dict[str, RootEntry] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def sorted_entries(self) -> list[RootEntry]:
        return [self.entries[path] for path in sorted(self.entries)]

    def add_path(self, path: Path) -> None:
        """Adds `path` as it is on this machine: links on the way become links, what they lead to comes along."""
        real = self._add_links(path)
        mode = real.stat().st_mode
        if stat.S_ISREG(mode):
            self.add_file(real, inside=str(real))
        elif stat.S_ISDIR(mode):
            self.add_tree(real, inside=str(real))
        else:
            raise ManifestError(f"{path} is neither file nor folder", step="manifest.kind")

    def add_file(self, source: Path, *, inside: str) -> None:
        try:
            digest, size, mode = digest_file(source)
        except OSError as error:
            raise ManifestError(f"{source}: {error.strerror}", step="manifest.read") from error
        self._put(File(path=inside, type="file", digest=digest, size=size, mode=f"0{mode:03o}"))
        if inside != str(source):
            self.sources[inside] = str(source)

    def add_tree(self, folder: Path, *, inside: str) -> None:
        """Every file, link and folder below `folder`. Devices, sockets and pipes are refused."""
        self._put(Directory(path=inside, type="directory", mode="0555"))
        for item in sorted(folder.iterdir()):
            target = f"{inside}/{item.name}"
            kind = item.lstat().st_mode
            if stat.S_ISLNK(kind):
                self.add_symlink(target, os.readlink(item))
            elif stat.S_ISDIR(kind):
                self.add_tree(item, inside=target)
            elif stat.S_ISREG(kind):
                self.add_file(item, inside=target)
            else:
                raise ManifestError(f"{item} is a device, socket or pipe", step="manifest.kind")

    def add_directory(self, path: str, mode: int) -> None:
        self._put(Directory(path=path, type="directory", mode=f"0{mode:03o}"))

    def add_symlink(self, path: str, target: str) -> None:
        self._put(Symlink(path=path, type="symlink", target=target))

    def _add_links(self, path: Path) -> Path:
        """Follows `path` link by link, adds each link, returns the real path."""
        seen = 0
        done, rest = Path("/"), list(path.parts[1:])
        while rest:
            part = rest.pop(0)
            here = done / part
            if part == "..":
                done = done.parent
            elif here.is_symlink():
                if (seen := seen + 1) > 40:
                    raise ManifestError(f"{path}: too many links", step="manifest.links")
                target = os.readlink(here)
                self.add_symlink(str(here), target)
                if target.startswith("/"):
                    done = Path("/")
                rest = [p for p in Path(target).parts if p != "/"] + rest
            elif here.exists():
                done = here
            else:
                raise ManifestError(f"{path}: {here} does not exist", step="manifest.read", remedy="install it first")
        return done

    def _put(self, entry: RootEntry) -> None:
        known = self.entries.get(entry.path)
        if known is not None and known != entry and not (isinstance(known, Directory) and isinstance(entry, Directory)):
            raise ManifestError(f"{entry.path} would be two different things", step="manifest.twice")
        self.entries[entry.path] = entry
        if len(self.entries) > MAX_ROOT_ENTRIES:
            raise ManifestError("too many files", step="manifest.entries", expected=f"≤ {MAX_ROOT_ENTRIES}")


def digest_file(path: Path) -> tuple[str, int, int]:
    """`sha256:…`, size and permission bits (without set-id and sticky) of a regular file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ManifestError(f"{path} is not a regular file", step="manifest.kind")
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size, stat.S_IMODE(mode) & 0o777
