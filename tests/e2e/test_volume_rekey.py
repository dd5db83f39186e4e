"""A volume of a policy under another key: the custodian makes it, a person has it done, and services go on."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from casemate.testing.stage import wait_for

from .by_hand import Hand
from .conftest import Installation

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

WRITE = "echo patient 7 | dd of=/data/record conv=fsync 2>/dev/null && cat /data/record"
PEOPLE = {"write": {"any": ["alice"]}, "rekey": {"any": ["bob"]}, "lease": "5s"}


@pytest.fixture
def hand(installation: Installation, tmp_path: Path) -> Hand:
    """bob rekeys, and neither reads nor writes. A service wrote the volume."""
    policy = installation.policy("alice", "bob")
    strict = {"root": "hash", "freshness": "strict", "accept_anchor": ["insecure_file"], "people": PEOPLE}
    policy.document["volumes"] = {"records": strict}
    policy.shell(options=["--volume=/data"], volumes={"/data": {"volume": "records", "mode": "write"}}, lease="5s")
    policy.submit()
    made = Hand(policy, tmp_path / "files", tmp_path / "mounted")
    assert made.policy.run(WRITE, made.at()).output == "patient 7\n"
    return made


def test_a_service_goes_on_with_the_rekeyed_volume_and_the_old_folder_is_refused(hand: Hand, tmp_path: Path) -> None:
    hand.snapshot("monday")
    shutil.copytree(hand.files, tmp_path / "kept")
    done = hand.ask("rekey", hand.files, who="bob")
    assert (done["snapshots"], done["finished"]) == (1, False)
    told = hand.policy.run("cat /data/record; echo patient 8 > /data/record", hand.at())
    assert (told.status, told.output) == (0, "patient 7\n"), told.errors
    assert hand.policy.run("cat /data/record", hand.at()).output == "patient 8\n"
    with hand.mounted("--snapshot", "monday"):
        assert (hand.mountpoint / "record").read_text() == "patient 7\n"
    told = hand.policy.run("cat /data/record", f"--volume=/data={tmp_path / 'kept'}")
    assert (told.status, told.output) == (73, ""), told.errors
    assert not hand.files.with_name("files.rekey").exists()
    listed = hand.policy.stage.ask("policy", "decisions", hand.policy.name, "--as", "alice")["decisions"]
    assert [item["person"]["mode"] for item in listed if item.get("person", {}).get("name") == "bob"] == ["rekey"]


def test_a_process_that_is_killed_in_the_middle_leaves_the_old_volume(hand: Hand) -> None:
    _import(hand, 60_000_000)
    beside = hand.files.with_name("files.rekey")
    process = hand.policy.stage.start("rekey", "volume", "rekey", hand.files, *hand.options("bob"))
    wait_for("the new volume", (beside / "segment-00000000").exists)
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert process.wait() != 0
    assert beside.exists()
    told = hand.policy.run("cat /data/record; echo patient 8 > /data/record", hand.at())
    assert (told.status, told.output) == (0, "patient 7\n"), told.errors
    assert hand.ask("rekey", hand.files, who="bob")["finished"] is False
    assert hand.policy.run("cat /data/record", hand.at()).output == "patient 8\n"
    assert not beside.exists()


def test_folders_that_were_not_exchanged_are_refused_with_the_command_that_finishes_it(
    hand: Hand, tmp_path: Path
) -> None:
    shutil.copytree(hand.files, tmp_path / "kept")
    hand.ask("rekey", hand.files, who="bob")
    beside = hand.files.with_name("files.rekey")
    hand.files.rename(beside)
    (tmp_path / "kept").rename(hand.files)
    for folder in (hand.files, beside):
        (folder / "rekey").touch()
    told = hand.policy.run("cat /data/record", hand.at())
    assert told.status == 73, told.errors
    assert "finish it with the same casemate volume rekey" in told.errors
    assert "casemate volume rekey" in hand.refused("info", hand.files)["message"]
    hand.ask("rekey", hand.files, who="bob")
    assert hand.policy.run("cat /data/record", hand.at()).output == "patient 7\n"
    assert not beside.exists()


def test_who_may_not_and_what_is_in_use_is_refused_with_the_reason(hand: Hand) -> None:
    error = hand.refused("rekey", hand.files)
    assert (error["step"], error["got"]) == ("volume.person", "alice")
    with hand.mounted("--read-only"):
        error = hand.refused("rekey", hand.files, who="bob")
        assert (error["problem"], error["got"]) == ("volume.read", "1"), error
        assert "end the mounts" in error["remedy"]
    with hand.mounted():
        assert hand.refused("rekey", hand.files, who="bob")["step"] == "volume.locked"
    assert hand.policy.run("cat /data/record", hand.at()).output == "patient 7\n"


def _import(hand: Hand, size: int) -> None:
    folder = hand.files.with_name("more")
    folder.mkdir()
    (folder / "large").write_bytes(os.urandom(size))
    hand.ask("import", hand.files, folder)
