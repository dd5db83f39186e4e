"""What is measured is what runs, whatever happens to the file meanwhile."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from casemate.errors import PlatformError
from casemate.simulator.launch import measure
from casemate.simulator.measure import MAX_RUNTIME_BYTES, measurement_of, sealed_copy

from .conftest import Running, request

CAT = Path("/bin/cat")


def _measurement(data: bytes) -> str:
    """As spec/evidence.md says, with nothing of ours."""
    return "sha384:" + hashlib.sha384(b"casemate/simulated-launch/v1\0" + hashlib.sha384(data).digest()).hexdigest()


def test_a_launch_is_measured_as_the_contract_says(agent: Running) -> None:
    with agent.launch("/bin/true") as started:
        assert started.measurement == _measurement(Path("/bin/true").read_bytes()) == measure(Path("/bin/true"))
        assert started.wait() == 0


def test_one_bit_more_is_another_measurement(agent: Running, tmp_path: Path) -> None:
    changed = tmp_path / "cat"
    changed.write_bytes(CAT.read_bytes() + b"\0")
    assert measure(changed) != measure(CAT)


def test_the_name_of_the_file_is_not_measured(tmp_path: Path) -> None:
    assert measure(Path(shutil.copy(CAT, tmp_path / "other"))) == measure(CAT)


def test_the_copy_cannot_be_changed_any_more() -> None:
    copy = sealed_copy(CAT)
    try:
        for change in (
            lambda: os.pwrite(copy, b"x", 0),
            lambda: os.ftruncate(copy, 0),
            lambda: os.ftruncate(copy, 2**30),
        ):
            with pytest.raises(OSError, match="not permitted"):
                change()
        with pytest.raises(OSError, match="not permitted"):
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, 0)
    finally:
        os.close(copy)


def test_a_file_that_is_swapped_while_it_is_copied_runs_as_it_was_measured(agent: Running, tmp_path: Path) -> None:
    """The program shows its own bytes; whichever of the two it is, or a mixture, they are what was measured."""
    program, stop = tmp_path / "cat", threading.Event()
    genuine = CAT.read_bytes()
    program.write_bytes(genuine + b"A" * 4096)
    program.chmod(0o755)

    def swap() -> None:
        with program.open("r+b", buffering=0) as file:
            while not stop.is_set():
                for letter in (b"B", b"A"):
                    os.pwrite(file.fileno(), letter * 4096, len(genuine))

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(20):
            with agent.run(program, "/proc/self/exe") as (started, dialogue):
                assert _measurement(dialogue.rest()) == started.measurement
                assert started.wait() == 0
    finally:
        stop.set()
        swapper.join()


def test_a_file_that_is_replaced_after_the_launch_changes_nothing(agent: Running, tmp_path: Path) -> None:
    program = Path(shutil.copy("/bin/sh", tmp_path / "sh"))
    with agent.run(program, "-c", "echo up; read x; cat /proc/$$/exe") as (started, dialogue):
        assert dialogue.line() == "up"
        program.unlink()
        shutil.copy("/bin/false", program)
        dialogue.say(b"go\n")
        assert _measurement(dialogue.rest()) == started.measurement == measure(Path("/bin/sh"))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, MAX_RUNTIME_BYTES + 1)


def _unreadable(path: Path) -> None:
    path.symlink_to("/proc/self/mem/nothing")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_fifo, "not a file that can be launched"),
        (Path.mkdir, "not a file that can be launched"),
        (_huge, "not a file that can be launched"),
        (lambda path: path.symlink_to("/dev/zero"), "not a file that can be launched"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: None, "No such file"),
        (_unreadable, "Not a directory"),
        (lambda path: path.write_text("no program"), "Exec format error"),
        (lambda path: path.touch(), "Exec format error"),
    ],
)
def test_what_is_no_program_is_refused(agent: Running, tmp_path: Path, make: object, reason: str) -> None:
    path = tmp_path / "shield"
    make(path)  # type: ignore[operator]
    assert reason in agent.refusal(request(path))
    with agent.launch("/bin/true") as started:
        assert started.wait() == 0


def test_the_largest_file_can_be_launched_and_one_byte_more_cannot(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, MAX_RUNTIME_BYTES)
    copy = sealed_copy(path)
    assert len(measurement_of(copy)) == 48
    os.close(copy)
    os.truncate(path, MAX_RUNTIME_BYTES + 1)
    with pytest.raises(PlatformError) as refused:
        sealed_copy(path)
    assert refused.value.step == "platform.launch"
