"""Sealed volumes of a service: key and anchor come from the custodian, and the host's folder proves nothing."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from .conftest import Installation, Policy

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

WRITE = "echo patient 7 | dd of=/data/record conv=fsync 2>/dev/null && cat /data/record"


@pytest.fixture
def volume(installation: Installation, tmp_path: Path) -> tuple[Policy, Path]:
    """A policy whose service mounts the strict volume `records` at /data; where its files are."""
    return _with(installation, freshness="strict", accept_anchor=["insecure_file"]), tmp_path / "files"


def _with(installation: Installation, lease: str = "300s", **volume: object) -> Policy:
    policy = installation.policy()
    policy.document["volumes"] = {"records": {"root": "hash", **volume}}
    policy.shell(options=["--volume=/data"], volumes={"/data": {"volume": "records", "mode": "write"}}, lease=lease)
    policy.shell("reader", options=["--volume=/data"], volumes={"/data": {"volume": "records", "mode": "read"}})
    policy.submit()
    return policy


def _at(files: Path) -> str:
    return f"--volume=/data={files}"


def test_what_a_workload_wrote_is_there_at_the_next_start(volume: tuple[Policy, Path]) -> None:
    policy, files = volume
    first = policy.run(WRITE, _at(files))
    assert (first.status, first.output) == (0, "patient 7\n"), first.errors
    again = policy.run("cat /data/record; stat -c %u:%g /data; echo more >> /data/record", _at(files))
    assert (again.status, again.output) == (0, "patient 7\n1000:1000\n"), again.errors
    reader = policy.run("cat /data/record; echo x > /data/record", _at(files), service="reader")
    assert (reader.status, reader.output) == (1, "patient 7\nmore\n")
    assert "Read-only" in reader.errors
    stored = b"".join(path.read_bytes() for path in files.iterdir())
    assert b"patient" not in stored
    assert b"record" not in stored


def test_the_folder_of_yesterday_is_refused_with_the_reason(volume: tuple[Policy, Path], tmp_path: Path) -> None:
    policy, files = volume
    policy.run(WRITE, _at(files))
    shutil.copytree(files, tmp_path / "yesterday")
    policy.run("echo patient 8 > /data/record", _at(files))
    shutil.rmtree(files)
    (tmp_path / "yesterday").rename(files)
    for service in ("sh", "reader"):
        told = policy.run("cat /data/record", _at(files), service=service)
        assert (told.status, told.output) == (73, ""), told.errors
        assert "rolled back" in told.errors


def test_an_empty_folder_is_no_new_volume(volume: tuple[Policy, Path], tmp_path: Path) -> None:
    policy, files = volume
    policy.run(WRITE, _at(files))
    told = policy.run("cat /data/record", _at(tmp_path / "empty"))
    assert told.status == 73, told.errors
    assert "rolled back" in told.errors


def test_a_flipped_bit_is_an_error_and_never_data(volume: tuple[Policy, Path]) -> None:
    policy, files = volume
    policy.run("seq 100000 > /data/record", _at(files))
    segment = bytearray((files / "segment-00000000").read_bytes())
    for offset in range(0, len(segment), 4096):
        segment[offset] ^= 1
    (files / "segment-00000000").write_bytes(segment)
    told = policy.run("cat /data/record", _at(files))
    assert told.status in {1, 73}, told.errors
    assert told.output == ""
    assert "tampered" in told.errors


def test_one_writer_at_a_time_and_the_second_is_told_how_long(volume: tuple[Policy, Path], tmp_path: Path) -> None:
    policy, files = volume
    running = policy.start(f"{WRITE}; echo ready; while :; do sleep 1; done", _at(files))
    running.says("ready")
    shutil.copytree(files, tmp_path / "copy")
    second = policy.run("cat /data/record", _at(tmp_path / "copy"))
    assert second.status == 73
    assert "volume.held" in second.errors
    reader = policy.run("cat /data/record", _at(files), service="reader")
    assert (reader.status, reader.output) == (0, "patient 7\n"), reader.errors
    running.end(signal.SIGTERM)


def test_kill_9_of_the_shield_takes_nothing_acknowledged(installation: Installation, tmp_path: Path) -> None:
    policy = _with(installation, lease="5s", freshness="strict", accept_anchor=["insecure_file"])
    script = "i=0; while :; do echo $i | dd of=/data/$i conv=fsync 2>/dev/null && echo done $i; i=$((i+1)); done"
    running = policy.start(script, _at(tmp_path / "files"))
    running.says("done 20")
    _kill_shields(tmp_path / "files")
    running.end()
    acknowledged = [line.split()[1] for line in running.output.splitlines() if line.startswith("done ")]
    told = policy.run("for f in /data/*; do cat $f; done", _at(tmp_path / "files"))
    assert told.status == 0, told.errors
    assert set(acknowledged) <= set(told.output.split())


def _kill_shields(files: Path) -> None:
    """Whoever has the volume's lock open."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [os.readlink(entry) for entry in (process / "fd").iterdir()]
        except OSError:
            continue
        if str(files / "lock") in opened:
            os.kill(int(process.name), signal.SIGKILL)
