"""Copies of a volume under another key: whole, by what changed, interrupted, and refused."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import CASEMATE, ENDS_WITHIN, Sealed

TO = ("--to-key-file", "L", "--to-anchor", "file:B")
MEGABYTE = 1 << 20
LOG = 32 * MEGABYTE


def copy(sealed: Sealed, *arguments: object, to: str = "W") -> dict[str, Any]:
    return sealed.of("copy", "V", to, *TO, "--size", "256M", *arguments)


def of_copy(sealed: Sealed, command: str, *arguments: object) -> dict[str, Any]:
    return sealed.of(command, *arguments, anchor="B", key="L")


def put(sealed: Sealed, **contents: bytes) -> None:
    """Files at the top of the volume, in place of what has their names."""
    mounted = sealed.mount()
    assert mounted["exit"] == 0, mounted
    for name, content in contents.items():
        (sealed.mountpoint / name).write_bytes(content)
    assert sealed.unmount().returncode == 0


def exported(sealed: Sealed, to: str) -> dict[str, bytes]:
    done = of_copy(sealed, "export", "W", to)
    assert done["exit"] == 0, done
    return {path.name: path.read_bytes() for path in (sealed.root / to).iterdir()}


def test_a_copy_is_made_and_brought_up_to_date(sealed: Sealed) -> None:
    large = bytearray(os.urandom(20 * MEGABYTE))
    put(sealed, large=bytes(large), small=b"1")
    assert sealed.of("snapshot", "create", "V", "monday")["exit"] == 0
    first = copy(sealed, "--snapshot", "monday")
    assert (first["exit"], first["created"], first["already"]) == (0, True, False), first
    assert first["bytes"] >= len(large)
    assert (sealed.root / "L").stat().st_mode & 0o777 == 0o600
    large[7 * MEGABYTE : 7 * MEGABYTE + 3] = b"new"
    mounted = sealed.mount()
    assert mounted["exit"] == 0
    with (sealed.mountpoint / "large").open("r+b") as file:
        file.seek(7 * MEGABYTE)
        file.write(b"new")
    (sealed.mountpoint / "more").write_bytes(b"2")
    # Beside the mount.
    assert sealed.of("snapshot", "create", "M", "tuesday")["exit"] == 0
    second = copy(sealed, "--snapshot", "tuesday", "--since", "monday")
    assert (second["exit"], second["bytes"]) == (0, 4096), second
    assert sealed.unmount().returncode == 0
    assert of_copy(sealed, "verify", "W")["exit"] == 0
    assert of_copy(sealed, "check", "W")["found"] == 0
    assert exported(sealed, "out") == {"large": bytes(large), "small": b"1", "more": b"2"}
    told = of_copy(sealed, "info", "W")
    assert (told["copy_of"], told["copy_is_whole"]) == (sealed.of("info", "V")["volume"], True)
    names = [snapshot["name"] for snapshot in of_copy(sealed, "snapshot", "list", "W")["snapshots"]]
    assert names == ["monday", "tuesday"]
    again = copy(sealed, "--snapshot", "tuesday", "--since", "monday")
    assert (again["exit"], again["already"], again["bytes"]) == (0, True, 0)


def test_what_is_now_can_be_copied_and_is_said_to_be_no_base(sealed: Sealed) -> None:
    put(sealed, file=b"now")
    files = ("--key-file", "K", "--anchor", "file:A")
    done = sealed.run("copy", "V", "W", *files, *TO, "--size", "256M")
    assert done.returncode == 0, done.stderr
    assert "copy one with --snapshot" in done.stderr
    assert exported(sealed, "out") == {"file": b"now"}


def test_a_copy_that_was_killed_is_refused_and_goes_on(sealed: Sealed) -> None:
    source = sealed.root / "source"
    source.mkdir()
    for number in range(6):
        (source / str(number)).write_bytes(os.urandom(30 * MEGABYTE))
    assert sealed.of("import", "V", "source")["exit"] == 0
    assert sealed.of("snapshot", "create", "V", "one")["exit"] == 0
    _killed_on_the_way(sealed, 90 * MEGABYTE)
    for refused in (
        of_copy(sealed, "mount", "W", "M"),
        of_copy(sealed, "mount", "W", "M", "--read-only"),
        of_copy(sealed, "export", "W", "out"),
        of_copy(sealed, "verify", "W"),
        of_copy(sealed, "check", "W"),
        of_copy(sealed, "snapshot", "create", "W", "mixture"),
        of_copy(sealed, "import", "W", "source"),
    ):
        assert (refused["exit"], refused["error"]["step"]) == (90, "volume.unfinished"), refused
        assert "run the same copy again" in refused["error"]["message"]
    assert not (sealed.root / "out").exists()
    assert of_copy(sealed, "info", "W")["copy_is_whole"] is False
    ended = copy(sealed, "--snapshot", "one")
    assert (ended["exit"], ended["resumed"]) == (0, True), ended
    assert 0 < ended["bytes"] < 180 * MEGABYTE
    assert of_copy(sealed, "verify", "W")["exit"] == 0
    assert exported(sealed, "out") == {path.name: path.read_bytes() for path in source.iterdir()}


def _killed_on_the_way(sealed: Sealed, most: int) -> None:
    """A copy whose program is killed once it has written so many bytes."""
    files = ("--key-file", "K", "--anchor", "file:A")
    line = [CASEMATE, "volume", "copy", "V", "W", *files, *TO, "--size", "256M", "--snapshot", "one"]
    environment = {**os.environ, "CASEMATE_HOME": str(sealed.root / "home")}
    with subprocess.Popen(line, env=environment, cwd=sealed.root, stderr=subprocess.PIPE, text=True) as process:
        program = _child(process.pid)
        end = time.monotonic() + ENDS_WITHIN
        while _written(program) < LOG + most:
            assert time.monotonic() < end
            time.sleep(0.001)
        os.kill(program, signal.SIGKILL)
        errors = process.communicate()[1]
    assert (process.returncode, "ended without a word" in errors) == (90, True), errors


def _child(parent: int) -> int:
    """The program that a command started to do the work."""
    end = time.monotonic() + ENDS_WITHIN
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while not (found := children.read_text().split()):
        assert time.monotonic() < end
        time.sleep(0.001)
    return int(found[0])


def _written(program: int) -> int:
    counts = dict(line.split(": ") for line in Path(f"/proc/{program}/io").read_text().splitlines())
    return int(counts["wchar"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--snapshot", "none"), "the source has no snapshot none"),
        (("--snapshot", "two"), "a copy of generation 2 already: say since which snapshot"),
        (("--snapshot", "three", "--since", "two"), "name the snapshot that it is a copy of"),
    ],
)
def test_what_would_mix_two_states_is_refused(sealed: Sealed, arguments: tuple[str, ...], words: str) -> None:
    put(sealed, file=b"1")
    for name in ("one", "two", "three"):
        assert sealed.of("snapshot", "create", "V", name)["exit"] == 0
    assert copy(sealed, "--snapshot", "one")["exit"] == 0
    refused = copy(sealed, *arguments)
    assert (refused["exit"], refused["error"]["step"]) == (90, "volume.not-copied"), refused
    assert words in refused["error"]["message"]
    assert of_copy(sealed, "verify", "W")["exit"] == 0


def test_an_increment_makes_no_volume(sealed: Sealed) -> None:
    assert sealed.of("snapshot", "create", "V", "one")["exit"] == 0
    refused = copy(sealed, "--since", "one")
    assert "copy the whole first" in refused["error"]["message"]
    assert not (sealed.root / "B").exists()


def test_a_folder_is_not_copied_into_itself(sealed: Sealed) -> None:
    (sealed.root / "link").symlink_to("V")
    refused = copy(sealed, to="link")
    assert (refused["exit"], "one folder" in refused["error"]["message"]) == (2, True), refused
    assert not (sealed.root / "L").exists()


def test_an_older_copy_in_its_place_is_a_rollback(sealed: Sealed) -> None:
    """What root on the host does with a copy is what root does with any volume."""
    put(sealed, file=b"1")
    assert sealed.of("snapshot", "create", "V", "one")["exit"] == 0
    assert copy(sealed, "--snapshot", "one")["exit"] == 0
    subprocess.run(["cp", "-a", "W", "old"], cwd=sealed.root, check=True)
    put(sealed, file=b"2")
    assert sealed.of("snapshot", "create", "V", "two")["exit"] == 0
    assert copy(sealed, "--snapshot", "two", "--since", "one")["exit"] == 0
    subprocess.run("rm -r W && mv old W", shell=True, cwd=sealed.root, check=True)
    for refused in (copy(sealed, "--snapshot", "two", "--since", "one"), of_copy(sealed, "info", "W")):
        assert (refused["exit"], refused["error"]["step"]) == (92, "volume.rolled-back"), refused
