"""The vector volumes of format version 1, read by a program that has nothing of the engine but its specification."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.volume_reader import SYMLINK, Anchor, RefusedError, Volume

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "volume"
SPARSE = 1 << 20


class Folder:
    """A vector's files, with the zeros at their ends that the repository leaves out."""

    def __init__(self, name: str) -> None:
        self.description: dict[str, Any] = json.loads((VECTORS / name / "volume.json").read_text())
        lengths: dict[str, int] = self.description["lengths"]
        self.files = {
            file: bytearray((VECTORS / name / file).read_bytes().ljust(length, b"\0"))
            for file, length in lengths.items()
        }

    def read(self, name: str, offset: int, count: int) -> bytes:
        data = bytes(self.files.get(name, b"")[offset : offset + count])
        if len(data) != count:
            raise RefusedError(f"{name} is missing or cut short")
        return data

    def volume(self, **changes: Any) -> Volume:
        anchor = self.description["anchor"] | changes
        record = Anchor(bytes.fromhex(anchor["volume"]), anchor["generation"], bytes.fromhex(anchor["root"]))
        return Volume(self.read, bytes.fromhex(self.description["key"]), record)

    def listing(self) -> list[dict[str, Any]]:
        return listing(self.volume())


def listing(volume: Volume) -> list[dict[str, Any]]:
    return [_line(volume, *entry) for entry in volume.walk()]


def _line(volume: Volume, path: str, number: int, inode: Any) -> dict[str, Any]:
    line: dict[str, Any] = {"path": path, "mode": f"{inode.mode:o}", "links": inode.links, "size": inode.size}
    if inode.mode & 0o170000 == SYMLINK:
        line["target"] = volume.target(number)
    elif 0 < inode.size < SPARSE:
        line["sha256"] = hashlib.sha256(volume.content(number)).hexdigest()
    attributes = volume.attributes(number)
    return line | ({"attributes": attributes} if attributes else {})


@pytest.fixture(params=["tag", "hash"])
def folder(request: pytest.FixtureRequest) -> Folder:
    return Folder(request.param)


def test_everything_in_the_volume_is_what_its_description_says(folder: Folder) -> None:
    assert folder.listing() == folder.description["entries"]


def test_each_snapshot_shows_what_its_description_says(folder: Folder) -> None:
    volume = folder.volume()
    told = [
        {"name": snapshot.name, "generation": snapshot.generation, "entries": listing(volume.at(snapshot))}
        for snapshot in volume.snapshots()
    ]
    assert len(told) == 2
    assert told == folder.description["snapshots"]


def test_a_copy_is_what_its_source_was() -> None:
    source, target = Folder("tag"), Folder("copy")
    volume = target.volume()
    for snapshot, of in zip(volume.snapshots(), source.volume().snapshots(), strict=True):
        assert snapshot.name == of.name
        assert listing(volume.at(snapshot)) == listing(source.volume().at(of))
    assert target.listing() == target.description["entries"] == listing(source.volume().at(of))
    assert target.description["key"] != source.description["key"]


def test_a_copy_names_the_state_that_it_is_of() -> None:
    source, copy = Folder("tag").volume(), Folder("copy").volume()
    first, last = source.snapshots()
    origin = copy.origin()
    assert origin is not None
    assert (origin.volume, origin.generation) == (source.anchor.volume, last.generation)
    assert origin.identity == source.identity(last)
    assert origin.whole == copy.snapshots()[-1].generation + 1
    under_way = Folder("unfinished-copy").volume().origin()
    assert under_way is not None
    assert (under_way.whole, under_way.since, under_way.name) == (None, source.identity(first), last.name)
    assert under_way.identity == origin.identity


def test_an_unfinished_copy_shows_its_snapshots_only() -> None:
    folder = Folder("unfinished-copy")
    with pytest.raises(RefusedError, match="an unfinished copy"):
        folder.listing()
    volume = folder.volume()
    told = [listing(volume.at(snapshot)) for snapshot in volume.snapshots()]
    assert told == [snapshot["entries"] for snapshot in folder.description["snapshots"]]
    assert len(told) == 1


def test_dead_lists_keep_what_snapshots_need(folder: Folder) -> None:
    volume = folder.volume()
    kept = volume.dead()
    assert kept
    for snapshot in volume.snapshots():
        needed = volume.at(snapshot).blocks()
        for dead in kept:
            blocks = {block for start, count in dead.runs for block in range(start, start + count)}
            if dead.birth <= snapshot.generation <= dead.newest:
                assert blocks <= needed
            else:
                assert not blocks & needed


def test_data_after_a_hole_is_where_it_was_written(folder: Folder) -> None:
    volume = folder.volume()
    number = next(number for path, number, _ in volume.walk() if path == "/späße")
    assert {at: part.rstrip(b"\0") for at, part in volume.read(number).items()} == {1 << 30: b"after a hole"}


@pytest.mark.parametrize("offset", [104, 2000, 4095])
def test_a_changed_slot_is_refused(folder: Folder, offset: int) -> None:
    slot = folder.description["anchor"]["generation"] % 2 * 4096
    folder.files["superblock"][slot + offset] ^= 1
    with pytest.raises(RefusedError, match="a seal of purpose 4 is broken"):
        folder.volume()


def test_unknown_feature_flags_are_refused(folder: Folder) -> None:
    slot = folder.description["anchor"]["generation"] % 2 * 4096
    folder.files["superblock"][slot + 12] ^= 2
    with pytest.raises(RefusedError, match="unknown feature flags"):
        folder.volume()


def test_each_changed_block_is_refused_or_was_not_in_use(folder: Folder) -> None:
    truth, refused = folder.listing(), 0
    for file in ("log", "segment-00000000"):
        for offset in range(1234, len(folder.files[file]), 4096):
            folder.files[file][offset] ^= 1
            try:
                assert folder.listing() == truth
            except RefusedError:
                refused += 1
            folder.files[file][offset] ^= 1
    assert refused > 40


def test_an_emptied_log_is_a_rollback(folder: Folder) -> None:
    folder.files["log"][:] = bytes(len(folder.files["log"]))
    with pytest.raises(RefusedError, match="rolled back: the log ends before the anchored head"):
        folder.volume()


def test_an_older_generation_is_a_rollback(folder: Folder) -> None:
    newer = folder.description["anchor"]["generation"] + 2
    with pytest.raises(RefusedError, match="rolled back: another generation"):
        folder.volume(generation=newer)


def test_a_missing_segment_is_refused(folder: Folder) -> None:
    del folder.files["segment-00000000"]
    with pytest.raises(RefusedError, match="segment-00000000 is missing or cut short"):
        folder.volume()
