"""Several processes do random things on one mount, each beside a model of what it must find (worker.py).

Hundreds of operations each in the usual tests; thousands, and more rounds, with CASEMATE_LONG=1.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Sealed

WORKER = Path(__file__).with_name("worker.py")
WORKERS = 4
LONG = "CASEMATE_LONG" in os.environ
OPERATIONS = 20_000 if LONG else 500
ROUNDS = 20 if LONG else 2
ENTRIES = 1000 if LONG else 200
"""Lines of a journal after which the mount dies."""
WITHIN = 600


class Crew:
    """Workers, and what each wrote into its journal."""

    def __init__(self, sealed: Sealed, seed: int, operations: int) -> None:
        self.root = sealed.mountpoint / f"crew-{seed}"
        (self.root / "shared" / "queue").mkdir(parents=True, exist_ok=True)
        self.names = [f"worker-{seed + number}" for number in range(WORKERS)]
        self.journals = [sealed.root / f"{name}.journal" for name in self.names]
        line = [sys.executable, str(WORKER), str(self.root)]
        self.running = [
            subprocess.Popen(
                [*line, name, name.rpartition("-")[2], str(operations), str(journal)], stderr=subprocess.PIPE
            )
            for name, journal in zip(self.names, self.journals, strict=True)
        ]

    def end(self) -> list[bytes]:
        """What they complained about."""
        return [worker.communicate(timeout=WITHIN)[1] for worker in self.running]

    def wait(self, entries: int) -> None:
        """Until each has done so much."""
        end = time.monotonic() + WITHIN
        while any(len(self._lines(journal)) < entries for journal in self.journals):
            assert time.monotonic() < end
            assert not any(worker.poll() for worker in self.running), self.end()
            time.sleep(0.02)

    def told(self) -> list[list[dict[str, Any]]]:
        return [[json.loads(line) for line in self._lines(journal)] for journal in self.journals]

    def _lines(self, journal: Path) -> list[str]:
        """Whole ones."""
        return journal.read_text().split("\n")[:-1] if journal.exists() else []


def _found(root: Path) -> dict[str, str]:
    """As worker.py describes it."""
    found = {"": "folder"}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"link {os.readlink(path)}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = f"file {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def test_what_each_process_did_is_what_everybody_finds(sealed: Sealed) -> None:
    sealed.mount()
    crew = Crew(sealed, 1, OPERATIONS)
    assert crew.end() == [b""] * WORKERS
    ends = [entries[-1] for entries in crew.told()]
    for _ in range(2):
        for name, end in zip(crew.names, ends, strict=True):
            assert _found(crew.root / name) == end["final"]
        _assert_shared_is_consistent(crew.root, ends)
        assert sealed.unmount().returncode == 0
        assert sealed.of("verify", "V")["exit"] == 0
        sealed.mount()


def _assert_shared_is_consistent(root: Path, ends: list[dict[str, Any]]) -> None:
    assert int((root / "shared" / "counter").read_text()) == sum(end["counted"] for end in ends)
    put = sorted(item for end in ends for item in end["put"])
    taken = [item for end in ends for item in end["taken"]]
    assert sorted([*taken, *os.listdir(root / "shared" / "queue")]) == put


def test_what_was_flushed_outlives_a_mount_that_dies(sealed: Sealed) -> None:
    telling = 0
    for number in range(3 * ROUNDS):
        if telling == ROUNDS:
            break
        pid = sealed.mount()["pid"]
        crew = Crew(sealed, 100 * (number + 1), 10**9)
        crew.wait(ENTRIES)
        sealed.kill(pid)
        complaints = b"".join(crew.end())
        # Of the mount that was gone; who wrote through a map was killed by SIGBUS, and could not complain.
        assert b"AssertionError" not in complaints, complaints.decode()
        assert all(worker.returncode for worker in crew.running)
        sealed.mount()
        told = zip(crew.names, crew.told(), strict=True)
        contents = [_assert_is_durable(_found(crew.root / name), entries) for name, entries in told]
        # Chance may have it that every file was touched again by the time the mount died.
        telling += sum(contents) > 0
        assert sealed.unmount().returncode == 0
        assert sealed.of("verify", "V")["exit"] == 0
    assert telling == ROUNDS, "no file was flushed and then left alone"


def _assert_is_durable(found: dict[str, str], entries: list[dict[str, Any]]) -> int:
    """What no operation touched after the last fsync is as it was then. How many files' contents that is about."""
    last = max((number for number, entry in enumerate(entries) if "durable" in entry), default=None)
    if last is None:
        pytest.fail("nothing was flushed: the mount died too early to tell anything")
    touched = {path for entry in entries[last:] for path in entry.get("changes", [])}
    durable = {path: what for path, what in entries[last]["durable"].items() if path not in touched}
    for path, what in durable.items():
        assert found.get(path, "nothing").startswith(what), path
    for path in entries[last]["gone"]:
        assert path in touched or path not in found, path
    return sum(what.startswith("file ") for what in durable.values())
