"""Looking for what nobody but the workload may see, in every file that the host has."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from examples.services.hosted import Hosted

__all__ = ["found_in_host", "found_in_ordinary"]

_GZIP: Final = 31
"""zlib's `wbits` for a gzip stream."""
_PIECE: Final = 1 << 20


def found_in_host(hosted: Hosted) -> list[tuple[bytes, Path]]:
    """Words of the service, and the files of engine, registry and volumes that have them."""
    place = hosted.place
    folders = (place.host.folder, place.registry.folder, place.stage.folder / "volumes")
    words = (*hosted.service.hidden, *hosted.service.written)
    return [(word, path) for path in _files(folders) for word in _in_file(path, words)]


def found_in_ordinary(hosted: Hosted) -> list[bytes]:
    """Words that its ordinary image is to be protected for: where none is found, the search itself finds nothing."""
    layout = Path(hosted.images.ordinary(hosted.service).split(":")[1])
    words = hosted.service.hidden
    return sorted({word for blob in (layout / "blobs" / "sha256").iterdir() for word in _in_gzip(blob, words)})


def _files(folders: Iterable[Path]) -> Iterator[Path]:

    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _in_file(path: Path, words: Iterable[bytes]) -> list[bytes]:
    if path.stat().st_size == 0:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        return [word for word in words if data.find(word) >= 0]


def _in_gzip(path: Path, words: Sequence[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return found
        file.seek(0)
        stream, kept = zlib.decompressobj(_GZIP), b""
        while piece := file.read(_PIECE):
            # A word may lie across two pieces.
            text = kept + stream.decompress(piece)
            found |= {word for word in words if word in text}
            kept = text[-max(map(len, words)) :]
    return found
