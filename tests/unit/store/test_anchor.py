"""The anchor's file in the hands of root, and its writes in the hands of a disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.custodian.anchor import FileAnchor
from casemate.errors import StoreError, StoreLockedError, StoreRolledBackError, StoreTamperedError
from casemate.testing.power import FragileAnchor, Power, PowerLostError
from casemate.wire.custodian import StateReference

from .conftest import MASTER, files_of_at_most

SLOT = 512


def state(sequence: int) -> StateReference:
    return StateReference(sequence=sequence, state=f"sha256:{sequence:064x}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An anchor that was written twice after it was made: state 2 is the newest, of a custodian that ran."""
    made = tmp_path / "anchor"
    FileAnchor.create(made, MASTER, state(0))
    with closing(FileAnchor(made, MASTER)) as anchor:
        anchor.write(state(1), running=True)
        anchor.write(state(2), running=True)
    return made


def read(path: Path) -> tuple[int, bool]:
    with closing(FileAnchor(path, MASTER)) as anchor:
        return anchor.state.sequence, anchor.stopped_cleanly


def test_a_new_anchor_says_its_state_as_after_a_clean_stop(tmp_path: Path) -> None:
    FileAnchor.create(tmp_path / "anchor", MASTER, state(7))
    assert read(tmp_path / "anchor") == (7, True)
    assert [item.name for item in tmp_path.iterdir()] == ["anchor"]
    assert (tmp_path / "anchor").stat().st_size == 2 * SLOT


def test_the_last_write_counts(path: Path) -> None:
    assert read(path) == (2, False)
    with closing(FileAnchor(path, MASTER)) as anchor:
        for sequence in (3, 4, 5):
            anchor.write(state(sequence), running=True)
            assert anchor.state == state(sequence)
    assert read(path) == (5, False)


def test_running_after_a_clean_stop_at_the_same_state_is_running(path: Path) -> None:
    with closing(FileAnchor(path, MASTER)) as anchor:
        anchor.write(state(2), running=False)
    assert read(path) == (2, True)
    with closing(FileAnchor(path, MASTER)) as anchor:
        anchor.write(state(2), running=True)
    assert read(path) == (2, False)


def test_an_older_state_that_was_written_later_counts(path: Path) -> None:
    """After a restore by the board the sequence can be lower."""
    with closing(FileAnchor(path, MASTER)) as anchor:
        anchor.write(state(1), running=False)
    assert read(path) == (1, True)


def _swap(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[SLOT:] + data[:SLOT])


def test_slots_that_were_swapped_say_the_same(path: Path) -> None:
    _swap(path)
    assert read(path) == (2, False)
    with closing(FileAnchor(path, MASTER)) as anchor:
        anchor.write(state(3), running=True)
    assert read(path) == (3, False)


@pytest.mark.parametrize("position", range(0, SLOT, 37))
def test_a_torn_write_leaves_the_one_before(path: Path, position: int) -> None:
    newest = int(b'"write":3' in path.read_bytes()[SLOT:])
    data = bytearray(path.read_bytes())
    data[newest * SLOT + position : (newest + 1) * SLOT] = bytes(SLOT - position)
    path.write_bytes(data)
    assert read(path) == (1, False)


@given(st.integers(0, 2 * SLOT - 1), st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_no_flipped_bit_is_believed(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "anchor"
    FileAnchor.create(path, MASTER, state(1))
    with closing(FileAnchor(path, MASTER)) as anchor:
        anchor.write(state(2), running=True)
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)
    # The slot that was hit is gone; the other one counts.
    assert read(path) == ((2, False) if position < SLOT else (1, True))


FILES: dict[str, tuple[type[StoreError], str, Callable[[Path], object]]] = {
    "nothing": (StoreRolledBackError, "anchor.missing", Path.unlink),
    "zeros": (StoreTamperedError, "anchor.read", lambda path: path.write_bytes(bytes(2 * SLOT))),
    "an empty file": (StoreTamperedError, "anchor.read", lambda path: path.write_bytes(b"")),
    "a few bytes": (StoreTamperedError, "anchor.read", lambda path: path.write_bytes(path.read_bytes()[:100])),
    "both slots damaged": (StoreTamperedError, "anchor.read", lambda path: path.write_bytes(path.read_bytes()[1:])),
    "a folder": (StoreError, "anchor.open", lambda path: (path.unlink(), path.mkdir())),
    "a pipe": (StoreError, "anchor.open", lambda path: (path.unlink(), os.mkfifo(path))),
    "a link to a genuine one": (StoreError, "anchor.open", lambda path: _link(path)),
    "a link to nowhere": (StoreError, "anchor.open", lambda path: (path.unlink(), path.symlink_to("nowhere"))),
}


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(("kind", "step", "change"), FILES.values(), ids=FILES)
def test_what_is_no_anchor_is_refused(
    path: Path, kind: type[StoreError], step: str, change: Callable[[Path], object]
) -> None:
    change(path)
    with pytest.raises(StoreError) as refused:
        FileAnchor(path, MASTER)
    assert (type(refused.value), refused.value.step) == (kind, step)


def test_another_custodians_anchor_is_refused(path: Path) -> None:
    with pytest.raises(StoreTamperedError) as refused:
        FileAnchor(path, bytes(32))
    assert refused.value.step == "anchor.read"


def test_one_anchor_serves_one_custodian_at_a_time(path: Path) -> None:
    with closing(FileAnchor(path, MASTER)):
        with pytest.raises(StoreLockedError) as refused:
            FileAnchor(path, MASTER)
        assert refused.value.step == "anchor.lock"
    FileAnchor(path, MASTER).close()


def test_a_refused_anchor_is_not_kept_locked(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(StoreTamperedError):
            FileAnchor(path, bytes(32))
    assert read(path) == (2, False)


def test_an_anchor_is_never_made_over_another(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        FileAnchor.create(path, MASTER, state(9))
    assert (refused.value.step, path.read_bytes()) == ("anchor.create", before)


def test_what_a_crash_left_beside_it_does_not_hinder(tmp_path: Path) -> None:
    (tmp_path / "anchor.new").write_bytes(b"half")
    FileAnchor.create(tmp_path / "anchor", MASTER, state(1))
    assert read(tmp_path / "anchor") == (1, True)


@pytest.mark.parametrize("steps", range(4))
def test_a_power_cut_in_a_write_leaves_the_old_or_the_new(path: Path, steps: int) -> None:
    power = Power()
    with closing(FragileAnchor(path, MASTER, power)) as anchor:
        power.cut_after(steps)
        if steps < 3:
            with pytest.raises(PowerLostError):
                anchor.write(state(3), running=True)
        else:
            anchor.write(state(3), running=True)
    assert read(path)[0] == (2 if steps < 2 else 3)


@pytest.mark.parametrize("limit", [0, 100, SLOT, SLOT + 100])
def test_a_write_that_the_disk_takes_a_part_of_is_an_error(path: Path, limit: int) -> None:
    with closing(FileAnchor(path, MASTER)) as anchor:
        # The next slot is the second: it lies beyond the limit, or across it.
        with files_of_at_most(limit), pytest.raises(StoreError) as refused:
            anchor.write(state(3), running=True)
        assert (refused.value.step, anchor.state) == ("anchor.write", state(2))
    assert read(path) == (2, False)
