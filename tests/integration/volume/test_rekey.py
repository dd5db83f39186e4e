"""A volume under another key, as users ask for it: whole, or not at all, whenever the process dies."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casemate.volume import key

from .conftest import CASEMATE, Sealed

TOOL = CASEMATE.with_name("casemate-volume")
KILLS = 12 if os.environ.get("CASEMATE_LONG") is None else 60


def _rekey(sealed: Sealed, *arguments: str, old: str = "K", new: str = "K2") -> dict[str, Any]:
    return sealed.of("rekey", "V", "--new-key-file", new, *arguments, key=old)


def _fill(sealed: Sealed) -> None:
    """Two snapshots, and what was changed after them."""
    for name in ("monday", "tuesday", "now"):
        assert sealed.mount()["exit"] == 0
        (sealed.mountpoint / name).write_bytes(os.urandom(700_000))
        (sealed.mountpoint / "changing").write_text(name * 2000)
        os.symlink(name, sealed.mountpoint / f"{name}.link")
        assert sealed.unmount().returncode == 0
        if name != "now":
            assert sealed.of("snapshot", "create", "V", name)["exit"] == 0


def _content(sealed: Sealed, used: str) -> dict[str, bytes]:
    """All files of the volume and of its snapshots."""
    found = {}
    for snapshot in ("", "monday", "tuesday"):
        shown = ["--snapshot", snapshot] if snapshot else ["--read-only"]
        assert sealed.of("mount", "V", "M", *shown, key=used)["exit"] == 0
        for path in sorted(sealed.mountpoint.iterdir()):
            found[f"{snapshot}/{path.name}"] = path.read_bytes()
        assert sealed.unmount().returncode == 0
    return found


def _beside(sealed: Sealed) -> set[str]:
    return {path.name for path in sealed.root.iterdir()} - {"M", "K", "K2", "home", "folder"}


def test_all_is_there_under_the_new_key_and_nothing_under_the_old_one(sealed: Sealed) -> None:
    _fill(sealed)
    before = _content(sealed, "K")
    shutil.copytree(sealed.folder, sealed.root / "kept")
    done = _rekey(sealed)
    assert (done["exit"], done["snapshots"], done["finished"]) == (0, 2, False), done
    assert (sealed.root / "K2").stat().st_mode & 0o777 == 0o600
    assert _content(sealed, "K2") == before
    assert sealed.of("verify", "V", key="K2")["exit"] == 0
    assert sealed.of("info", "V")["exit"] == 91
    assert sealed.of("info", "V", "--freshness", "none")["exit"] == 91
    assert _beside(sealed) == {"V", "A", "kept"}
    # The folder as it was, put back by the host.
    shutil.rmtree(sealed.folder)
    (sealed.root / "kept").rename(sealed.folder)
    refused = sealed.of("info", "V")
    assert (refused["exit"], refused["error"]["step"]) == (92, "volume.wrong-volume"), refused
    assert sealed.of("info", "V", key="K2")["exit"] == 91


def test_people_are_told_what_the_old_key_still_opens(sealed: Sealed) -> None:
    told = sealed.run("rekey", "V", "--key-file", "K", "--anchor", "file:A", "--new-key-file", "K2")
    assert told.returncode == 0, told.stderr
    assert "made a key: K2" in told.stderr
    assert "K opens nothing of this volume any more" in told.stderr
    assert _rekey(sealed)["finished"] is True
    assert _rekey(sealed, old="K2", new="K3")["exit"] == 0


def test_a_process_that_is_killed_at_any_moment_leaves_one_volume_or_says_how(sealed: Sealed) -> None:
    """`kill -9` at random moments; each time the volume is used, and changed while its key is still the old one."""
    _fill(sealed)
    key.create(sealed.root / "K2")
    request = _request(sealed)
    began = time.monotonic()
    subprocess.run([TOOL], input=_request(sealed, folder=_copy(sealed)), capture_output=True, check=True)
    takes = time.monotonic() - began
    chance = random.Random(7)
    for number in range(KILLS):
        _kill(request, chance.uniform(0, takes))
        opens = [used for used in ("K", "K2") if sealed.of("info", "V", key=used)["exit"] == 0]
        if opens == ["K"]:
            (sealed.root / "folder").mkdir(exist_ok=True)
            (sealed.root / "folder" / f"late-{number}").write_text("late")
            assert sealed.of("import", "V", "folder")["exit"] == 0
            shutil.rmtree(sealed.root / "folder")
        elif not opens:
            told = sealed.of("info", "V")["error"]["message"]
            assert "finish it with the same casemate volume rekey" in told
            assert _rekey(sealed)["finished"] is True
        if opens != ["K"]:
            assert sealed.of("verify", "V", key="K2")["exit"] == 0
            (sealed.root / "K").write_bytes((sealed.root / "K2").read_bytes())
            (sealed.root / "K2").unlink()
            key.create(sealed.root / "K2")
            request = _request(sealed)
    before = _content(sealed, "K")
    assert _rekey(sealed)["exit"] == 0
    assert _content(sealed, "K2") == before
    assert _beside(sealed) == {"V", "A", "W", "B"}


def _copy(sealed: Sealed) -> str:
    """A volume like it, to see how long it takes."""
    shutil.copytree(sealed.folder, sealed.root / "W")
    shutil.copy(sealed.root / "A", sealed.root / "B")
    return "W"


def _request(sealed: Sealed, folder: str = "V") -> bytes:
    anchor = {"file": str(sealed.root / ("A" if folder == "V" else "B")), "durability": "lazy"}
    place = {"folder": str(sealed.root / folder), "key": key.load(sealed.root / "K"), "anchor": anchor}
    return json.dumps(
        {"command": "rekey", "volume": place, "freshness": "strict", "next_key": key.load(sealed.root / "K2")}
    ).encode()


def _kill(request: bytes, after: float) -> None:
    process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(request)
    process.stdin.close()
    time.sleep(after)
    process.kill()
    process.wait()


def test_a_mounted_volume_keeps_its_key(sealed: Sealed) -> None:
    assert sealed.mount()["exit"] == 0
    refused = _rekey(sealed)
    assert (refused["exit"], refused["error"]["step"]) == (93, "volume.locked"), refused
    (sealed.mountpoint / "file").write_text("goes on")
    assert sealed.unmount().returncode == 0
    assert _rekey(sealed)["exit"] == 0


def test_key_files_that_cannot_be_are_refused_with_the_cure(sealed: Sealed) -> None:
    shutil.copy(sealed.root / "K", sealed.root / "K2")
    refused = _rekey(sealed)
    assert (refused["exit"], "name another file" in refused["error"]["message"]) == (2, True), refused
    (sealed.root / "K3").write_text("no key")
    (sealed.root / "K3").chmod(0o600)
    assert "is no volume key" in _rekey(sealed, new="K3")["error"]["message"]
    key.create(sealed.root / "K4")
    (sealed.root / "K4").chmod(0o644)
    assert "chmod 600" in _rekey(sealed, new="K4")["error"]["remedy"]
    assert "no anchor says" in _rekey(sealed, "--freshness", "none", new="K5")["error"]["message"]
    bare = sealed.of("rekey", "V")
    assert (bare["exit"], "--new-key-file" in bare["error"]["remedy"]) == (2, True), bare
    both = sealed.run("rekey", "V", "--policy", "a/b", "--volume", "v", "--new-key-file", "K3", "--json")
    assert "the custodian makes the key" in json.loads(both.stdout)["error"]["remedy"]
    assert _beside(sealed) == {"V", "A", "K3", "K4", "K5"}
    assert sealed.of("verify", "V")["exit"] == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Sealed]:
    """A volume with 40 MB of data on a file system of 160 MiB."""
    made = Sealed(tmp_path / "small")
    made.root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", made.root], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    made.mountpoint.mkdir()
    assert made.of("create", "V", "--size", "80M")["exit"] == 0
    (made.root / "folder").mkdir()
    (made.root / "folder" / "file").write_bytes(os.urandom(40_000_000))
    assert made.of("import", "V", "folder")["exit"] == 0
    shutil.rmtree(made.root / "folder")
    yield made
    subprocess.run(["umount", "-l", made.root], check=True)


def test_a_host_without_room_for_a_copy_is_refused_before_anything_is_written(small: Sealed) -> None:
    filler = small.root / "filler"
    filler.write_bytes(bytes(60_000_000))
    refused = _rekey(small)
    assert (refused["exit"], "make room first" in refused["error"]["message"]) == (90, True), refused
    assert _beside(small) == {"V", "A", "filler"}
    filler.unlink()
    assert _rekey(small)["exit"] == 0


def test_a_host_that_fills_up_in_the_middle_keeps_the_old_volume(small: Sealed) -> None:
    key.create(small.root / "K2")
    heard, said = os.pipe()
    # Full: the process waits with its first word of progress until somebody listens.
    os.write(said, b" " * fcntl.fcntl(said, fcntl.F_SETPIPE_SZ, 4096))
    process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=said)
    os.close(said)
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(_request(small))
    while not (small.root / "V.rekey" / "segment-00000000").exists():
        time.sleep(0.01)
    filler = small.root / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
        file.write(b"x" * 160_000_000)
    with os.fdopen(heard, "rb") as listening:
        lines = listening.read().splitlines()
    assert process.wait() == 1
    assert json.loads(lines[-1])["error"]["code"] in {"no-space", "host"}, lines
    assert _beside(small) == {"V", "A", "filler"}
    assert small.of("verify", "V")["exit"] == 0
    filler.unlink()
    assert _rekey(small)["exit"] == 0
