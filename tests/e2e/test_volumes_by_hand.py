"""Volumes of a policy by hand: a person gets key and lease from the custodian, beside the services that mount them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from .by_hand import Hand
from .conftest import Installation

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

WRITE = "echo patient 7 | dd of=/data/record conv=fsync 2>/dev/null && cat /data/record"
PEOPLE = {"read": {"any": ["bob"]}, "write": {"any": ["alice"]}, "lease": "5s"}


@pytest.fixture
def hand(installation: Installation, tmp_path: Path) -> Hand:
    """alice writes, bob reads; the service's lease is longer than theirs."""
    policy = installation.policy("alice", "bob")
    strict = {"root": "hash", "freshness": "strict", "accept_anchor": ["insecure_file"], "people": PEOPLE}
    policy.document["volumes"] = {"records": strict, "copies": strict}
    policy.shell(options=["--volume=/data"], volumes={"/data": {"volume": "records", "mode": "write"}}, lease="5s")
    policy.submit()
    return Hand(policy, tmp_path / "files", tmp_path / "mounted")


def test_a_person_reads_and_exports_what_a_service_wrote(hand: Hand, tmp_path: Path) -> None:
    assert hand.policy.run(WRITE, hand.at()).output == "patient 7\n"
    with hand.mounted("--read-only", who="bob"):
        assert (hand.mountpoint / "record").read_text() == "patient 7\n"
        with pytest.raises(OSError, match="Read-only"):
            (hand.mountpoint / "more").write_text("x")
    assert hand.ask("export", hand.files, tmp_path / "exported", who="bob")["files"] >= 1
    assert (tmp_path / "exported" / "record").read_text() == "patient 7\n"
    assert hand.ask("verify", hand.files, who="bob")["verified"] > 0


def test_a_service_goes_on_with_what_a_person_made(hand: Hand, tmp_path: Path) -> None:
    made = hand.ask("create", hand.files, "--size", "64M")
    assert made["roots"] == "hash"
    (tmp_path / "patients").mkdir()
    (tmp_path / "patients" / "record").write_text("patient 8\n")
    hand.ask("import", hand.files, tmp_path / "patients")
    with hand.mounted():
        (hand.mountpoint / "record").write_text("patient 9\n")
    told = hand.policy.run("cat /data/record", hand.at())
    assert (told.status, told.output) == (0, "patient 9\n"), told.errors
    assert "there is a volume already" in hand.refused("create", hand.files)["message"]


def test_who_may_not_is_refused_with_the_reason_and_on_record(hand: Hand) -> None:
    hand.policy.run(WRITE, hand.at())
    hand.mountpoint.mkdir()
    error = hand.refused("mount", hand.files, hand.mountpoint, who="bob")
    assert error["step"] == "volume.person"
    assert error["got"] == "bob"
    why = hand.policy.stage.ask("why", error["decision"], "--as", "alice")
    assert why["outcome"] == "denied"
    assert why["person"] == {**why["person"], "name": "bob", "volume": "records", "mode": "write"}
    assert hand.refused("info", hand.files, who="mallory")["code"] == "custodian.not_found"
    listed = hand.policy.stage.ask("policy", "decisions", hand.policy.name, "--as", "alice")["decisions"]
    assert [item["outcome"] for item in listed if item.get("person")] == ["denied"]


def test_a_mount_lives_longer_than_its_lease_because_it_is_renewed(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    with hand.mounted():
        began = time.monotonic()
        while time.monotonic() - began < 7:
            (hand.mountpoint / "record").write_text("still here")
            time.sleep(0.5)
        with (hand.mountpoint / "record").open("a") as file:
            os.fsync(file.fileno())
    assert hand.policy.run("cat /data/record", hand.at()).output == "still here"


def test_two_writers_take_turns(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    with hand.mounted() as mounted:
        (hand.mountpoint / "record").write_text("first")
        # The volume's folder, copied: only the custodian knows of the other writer.
        copied = hand.files.with_name("copied")
        copied.mkdir()
        for path in hand.files.iterdir():
            (copied / path.name).write_bytes(path.read_bytes())
        told = hand.policy.run("cat /data/record", f"--volume=/data={copied}")
        assert told.status == 73, told.errors
        assert "volume.held" in told.errors or "fenced" in told.errors or "rolled back" in told.errors
        os.kill(mounted["pid"], 0)
    assert hand.policy.run("cat /data/record", hand.at()).output == "first"


def test_a_killed_mount_is_waited_for_and_nothing_acknowledged_is_lost(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    hand.mountpoint.mkdir()
    mounted = hand.ask("mount", hand.files, hand.mountpoint)
    _written(hand.mountpoint / "record", "acknowledged")
    os.kill(mounted["pid"], signal.SIGKILL)
    told = hand.policy.run("cat /data/record", hand.at())
    assert (told.status, told.output) == (0, "acknowledged"), told.errors
    assert "waiting" in told.errors
    hand.policy.stage.cli("volume", "unmount", str(hand.mountpoint))


def test_a_mount_ends_with_its_lease_when_no_custodian_renews_it(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    hand.mountpoint.mkdir()
    mounted = hand.ask("mount", hand.files, hand.mountpoint)
    with hand.policy.installation.away():
        _ends(mounted["pid"])
        assert list(hand.mountpoint.iterdir()) == []
    assert "lease ended" in Path(mounted["log"]).read_text()
    unmounted = hand.policy.stage.cli("volume", "unmount", "--json", str(hand.mountpoint))
    assert "lease ended" in json.loads(unmounted.output)["error"]["message"]
    with hand.mounted():
        (hand.mountpoint / "record").write_text("again")


def test_a_mount_outlives_a_custodian_that_comes_back_in_time(hand: Hand) -> None:
    document = hand.policy.document["volumes"]["records"]
    document["people"] = {**PEOPLE, "lease": "120s"}
    hand.policy.submit()
    hand.ask("create", hand.files, "--size", "64M")
    with hand.mounted():
        with hand.policy.installation.away():
            pass
        (hand.mountpoint / "record").write_text("after")
    assert hand.policy.run("cat /data/record", hand.at()).output == "after"


def test_a_policy_that_takes_the_volume_back_ends_the_mount_and_frees_the_volume(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    hand.mountpoint.mkdir()
    mounted = hand.ask("mount", hand.files, hand.mountpoint)
    _written(hand.mountpoint / "record", "before")
    hand.policy.document["volumes"]["records"]["people"] = {"read": {"any": ["bob"]}}
    hand.policy.submit()
    _ends(mounted["pid"])
    told = hand.policy.run("cat /data/record", hand.at())
    assert (told.status, told.output) == (0, "before"), told.errors
    assert "waiting" not in told.errors
    hand.policy.stage.cli("volume", "unmount", str(hand.mountpoint))
    assert hand.refused("mount", hand.files, hand.mountpoint)["step"] == "volume.people"


def test_a_key_is_in_no_argument_no_environment_and_no_file(hand: Hand) -> None:
    hand.ask("create", hand.files, "--size", "64M")
    with hand.mounted() as mounted:
        process = Path(f"/proc/{mounted['pid']}")
        assert process.joinpath("cmdline").read_bytes().count(b"\0") == 1
        assert b"CASEMATE" not in process.joinpath("environ").read_bytes()
        written = {path for path in hand.policy.stage.home.rglob("*") if path.is_file()}
        assert not [path for path in written if b"signing_seed" in path.read_bytes()]


def test_a_copy_goes_to_another_volume_of_the_policy_and_follows(hand: Hand, tmp_path: Path) -> None:
    hand.policy.run(WRITE, hand.at())
    hand.snapshot("one")
    to = (tmp_path / "copied", "--to-policy", hand.policy.name, "--to-volume", "copies")
    assert hand.refused("copy", hand.files, *to, "--snapshot", "one", who="bob")["step"] == "volume.person"
    made = hand.ask("copy", hand.files, *to, "--snapshot", "one", "--size", "64M")
    assert (made["created"], made["already"]) == (True, False)
    hand.policy.run("echo patient 8 > /data/record", hand.at())
    hand.snapshot("two")
    hand.ask("copy", hand.files, *to, "--snapshot", "two", "--since", "one")
    hand.policy.document["services"]["sh"]["volumes"]["/data"]["volume"] = "copies"
    hand.policy.submit()
    told = hand.policy.run("cat /data/record", f"--volume=/data={tmp_path / 'copied'}")
    assert (told.status, told.output) == (0, "patient 8\n"), told.errors


def test_a_copy_of_a_policys_volume_under_a_key_in_a_file(hand: Hand, tmp_path: Path) -> None:
    hand.policy.run(WRITE, hand.at())
    files = ("--to-key-file", tmp_path / "L", "--to-anchor", f"file:{tmp_path / 'B'}")
    hand.ask("copy", hand.files, tmp_path / "copied", *files, "--size", "64M", who="bob")
    named = ("--key-file", tmp_path / "L", "--anchor", f"file:{tmp_path / 'B'}")
    told = hand.policy.stage.ask("volume", "export", tmp_path / "copied", tmp_path / "out", *named)
    assert told["files"] == 1
    assert (tmp_path / "out" / "record").read_text() == "patient 7\n"


def test_a_volume_that_moved_past_a_restored_custodian_is_salvaged(hand: Hand, tmp_path: Path) -> None:
    """docs/guides/restored-custodian.md, step by step."""
    installation, stage = hand.policy.installation, hand.policy.stage
    hand.policy.run(WRITE, hand.at())
    installation.stop()
    shutil.copytree(installation.data, tmp_path / "backup")
    installation.serve()
    for number in range(3):
        hand.policy.run(f"echo patient {number} > /data/later", hand.at())
    installation.stop()
    _restored(hand, tmp_path / "backup", tmp_path / "report.txt")
    installation.serve()
    told = hand.policy.run("cat /data/later", hand.at())
    assert told.status == 73, told.output
    assert "rolled back" in told.errors
    # 2. What verifies, by somebody whom the policy names; 3. looked at.
    hand.ask("salvage", hand.files, tmp_path / "rescued", who="bob")
    assert (tmp_path / "rescued" / "later").read_text() == "patient 2\n"
    # 4. A volume beside the old one.
    fresh, new = tmp_path / "fresh", hand.options("alice", "copies")
    stage.ask("volume", "create", str(fresh), "--size", "64M", *new)
    stage.ask("volume", "import", str(fresh), str(tmp_path / "rescued"), *new)
    # 5. And the service on it.
    hand.policy.document["services"]["sh"]["volumes"]["/data"]["volume"] = "copies"
    hand.policy.submit()
    told = hand.policy.run("cat /data/later /data/record", f"--volume=/data={fresh}")
    assert (told.status, told.output) == (0, "patient 2\npatient 7\n"), told.errors


def _restored(hand: Hand, backup: Path, report: Path) -> None:
    """The board accepts the store of a backup."""
    installation, stage = hand.policy.installation, hand.policy.stage
    shutil.rmtree(installation.data)
    shutil.copytree(backup, installation.data)
    report.write_text(stage.cli("custodian", "serve", "main").errors)
    stage.ask("custodian", "restore", "main", "--as", "alice", "--found", report, "--reason", "backup of 02:00")


def _written(path: Path, text: str) -> None:
    """There, and acknowledged."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _ends(pid: int) -> None:
    """Waits for a process that ends by itself."""
    for _ in range(600):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z"):
                return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} goes on")
