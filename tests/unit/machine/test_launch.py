"""A shield that is started by hand: its command line, its descriptors, how it ends. Programs of busybox play it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from casemate.errors import PlatformError
from casemate.machine.launch import start
from casemate.simulator.process import spawn

BUSYBOX = Path("/usr/bin/busybox")
Applet = Callable[[str], Path]


@pytest.fixture
def applet(tmp_path: Path) -> Applet:
    """Busybox under the name of one of its programs."""

    def named(name: str) -> Path:
        return Path(shutil.copy(BUSYBOX, tmp_path / name))

    return named


@pytest.fixture
def null() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_it_gets_the_tpm_first_and_says_how_it_ended(applet: Applet, null: int) -> None:
    output, written = os.pipe()
    with os.fdopen(output) as read:
        started = start(
            Path("tpm"), shield=applet("echo"), bundle=b"", arguments=["--timings"], environment={},
            stdio=(null, written, null),
        )  # fmt: skip
        os.close(written)
        with started:
            assert started.wait() == 0
        assert read.read() == f"--tpm {Path('tpm').absolute()} --timings\n"


def test_a_signal_that_ends_it_is_counted_as_shells_do(applet: Applet, null: int) -> None:
    with start(
        Path("tpm"), shield=applet("yes"), bundle=b"", arguments=[], environment={}, stdio=(null, null, null)
    ) as started:
        started.signal(signal.SIGINT)
        assert started.wait() == 128 + signal.SIGINT
        started.signal(signal.SIGTERM)  # there is nobody any more


def test_whoever_leaves_ends_it(applet: Applet, null: int) -> None:
    with start(
        Path("tpm"), shield=applet("yes"), bundle=b"", arguments=[], environment={}, stdio=(null, null, null)
    ) as started:
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_a_shield_that_is_not_there_is_told(tmp_path: Path, null: int) -> None:
    (tmp_path / "text").write_text("no program")
    for name in ("none", "text"):
        with pytest.raises(PlatformError) as caught:
            start(
                Path("tpm"), shield=tmp_path / name, bundle=b"", arguments=[], environment={}, stdio=(null, null, null)
            )
        assert caught.value.remedy == "run: make setup"


def test_a_number_that_is_left_out_stays_closed(null: int) -> None:
    output, written = os.pipe()
    program = os.open(BUSYBOX, os.O_RDONLY | os.O_CLOEXEC)
    # Inherited at the very number that is to be closed, or above it.
    inherited = [os.dup(null) for _ in range(4)]
    for number in inherited:
        os.set_inheritable(number, True)
    script = "for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$n ] && echo -n $n; done; cat <&4"
    bundle = os.memfd_create("bundle")
    os.write(bundle, b" bundle")
    os.lseek(bundle, 0, os.SEEK_SET)
    with os.fdopen(output) as read:
        process = spawn(program, ["sh", "-c", script], {"PATH": "/bin"}, (null, written, null, None, bundle))
        for number in (written, program, bundle, *inherited):
            os.close(number)
        assert process.wait() == 0
        process.close()
        assert read.read() == "0124 bundle"
