"""Sealed output: what a workload writes is read by its owner, and by nobody else who has the log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from casemate.testing.engine import MISSING, engine, is_there, shield_arguments
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result

from .conftest import BUSYBOX, Installation, Policy

WORDS = "patient 7 is well"
SCRIPT = "echo patient $((3 + 4)) is well; echo but for this >&2; exit 3"
"""The host knows the command, which stands in the manifest; what comes of it is its owner's."""


@pytest.fixture(scope="module")
def policy(installation: Installation) -> Policy:
    """A service whose output is sealed; the second time that this is said changes nothing."""
    made = installation.policy()
    made.shell()
    stage = made.stage
    told = stage.ask("output", "seal", made.write(), "--policy", f"{made.name}#sh", "--as", "alice")
    assert told["secret"] == "output_key_sh"
    again = stage.ask("output", "seal", made.path, "--policy", f"{made.name}#sh", "--as", "alice")
    assert (again["secret"], again["key"], again["sealed"]) == (told["secret"], told["key"], None)
    stage.ask("policy", "submit", made.path, "--as", "alice", "--sealed", told["sealed"])
    return made


def run(policy: Policy, script: str = SCRIPT) -> Result:
    return policy.stage.cli("run", f"{policy.name}#sh", "--hole", f"script={script}")


def opened(policy: Policy, log: str | Path, *options: str) -> Result:
    """`log` is a path, or what stands in one."""
    text = "" if isinstance(log, Path) else log
    source = str(log) if isinstance(log, Path) else "-"
    return policy.stage.cli("output", "open", source, "--policy", f"{policy.name}#sh", *options, stdin=text)


def test_its_owner_reads_what_nobody_else_does(policy: Policy) -> None:
    ran = run(policy)
    assert ran.status == 3
    assert "patient" not in ran.output + ran.errors
    assert "but for this" not in ran.output + ran.errors
    told = opened(policy, ran.output)
    assert (told.status, told.output) == (0, f"{WORDS}\n"), told.errors
    assert "but for this\n" in told.errors
    assert "ended with status 3" in told.errors
    facts = policy.stage.ask("output", "open", _kept(policy, ran.output), "--policy", f"{policy.name}#sh")
    (start,) = facts["starts"]
    assert (start["status"], facts["findings"], facts["unsealed_lines"]) == (3, [], 0)
    decisions = policy.stage.ask("policy", "decisions", policy.name, "--as", "alice")
    assert start["decision"] in [decision["id"] for decision in decisions["decisions"]]


def test_what_a_host_does_to_the_log_is_named(policy: Policy) -> None:
    lines = run(policy, "echo one; busybox sleep 0.2; echo two; busybox sleep 0.2; echo three").output.splitlines()
    assert len(lines) == 5
    cut = opened(policy, "\n".join(lines[:2] + lines[3:]))
    assert (cut.status, cut.output) == (111, "one\nthree\n")
    assert "line 2 is missing" in cut.errors
    altered = opened(policy, "\n".join([*lines[:2], lines[2][:-2] + "AA", *lines[3:]]))
    assert (altered.status, altered.output) == (111, "one\nthree\n")
    twice = opened(policy, "\n".join([*lines[:3], lines[1], *lines[3:]]))
    assert (twice.status, twice.output) == (111, "one\ntwo\nthree\n")
    endless = opened(policy, "\n".join(lines[:-1]))
    assert endless.status == 112
    assert "--unfinished" in endless.errors
    assert opened(policy, "\n".join(lines[:-1]), "--unfinished").status == 0


def test_starts_of_one_log_follow_one_another(policy: Policy) -> None:
    first, second = (run(policy, f"echo {word}; busybox sleep 0.2; echo more").output for word in ("one", "two"))
    assert opened(policy, first + second).output == "one\nmore\ntwo\nmore\n"
    lines, others = first.splitlines(), second.splitlines()
    spliced = opened(policy, "\n".join([*lines[:2], *others[:2], *lines[2:], *others[2:]]))
    assert (spliced.status, spliced.output) == (111, "one\ntwo\nmore\n")
    # The end of an earlier start is missed whatever is known of the last one; what was killed is named.
    cut = "\n".join([*lines[:2], *others])
    told = opened(policy, cut, "--unfinished")
    assert told.status == 112
    name = lines[0].split(":")[2]
    assert f"--killed {name}" in told.errors
    assert opened(policy, cut, "--killed", name).status == 0


def test_what_is_wrong_with_a_log_is_one_object_for_programs(policy: Policy) -> None:
    lines = run(policy).output.splitlines()
    told = opened(policy, "\n".join([lines[0], *lines[2:]]), "--json")
    assert told.status == 111
    error = json.loads(told.output)["error"]
    assert error["code"] == "output.tampered"
    assert [finding["code"] for finding in error["log"]["findings"]] == ["missing"]
    assert len(error["log"]["starts"]) == 1


def test_another_key_is_not_taken_for_the_one_that_the_policy_has(policy: Policy) -> None:
    stage, service = policy.stage, f"{policy.name}#sh"
    (key,) = (stage.home / "output-keys").glob(f"{policy.genesis.removeprefix('sha256:')[:32]}-sh.key")
    away = key.rename(key.with_suffix(".away"))
    told = stage.cli("output", "seal", str(policy.path), "--policy", service, "--as", "alice")
    away.rename(key)
    assert told.status == 2
    assert str(key) in told.errors
    told = stage.cli("output", "seal", str(policy.path), "--policy", service, "--as", "alice", "--key-file", "new.key")
    assert (told.status, (stage.folder / "new.key").exists()) == (2, False)


def test_a_log_without_sealed_output_is_an_error(policy: Policy) -> None:
    told = opened(policy, "casemate-shield: a word\nmade up\n")
    assert (told.status, told.output) == (110, "")
    assert opened(policy, policy.stage.folder / "none").status == 2


def test_another_key_opens_nothing(policy: Policy, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("casemate-output-key:v1:" + "A" * 43 + "\n")
    other.chmod(0o600)
    told = opened(policy, run(policy).output, "--key-file", str(other))
    assert (told.status, told.output) == (111, "")


@pytest.mark.skipif(not is_there(), reason=MISSING)
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_an_engine_keeps_logs_that_it_cannot_read(installation: Installation, tmp_path: Path) -> None:
    policy = installation.policy()
    policy.path.unlink()
    stage, images = policy.stage, tmp_path / "images"
    base = archive(
        folder("bin"),
        member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755),
        folder("etc"),
        member("etc/passwd", b"app:x:1000:1000::/home/app:/bin/sh\n"),
    )
    write_image(images, "1", [base], {"Cmd": ["busybox", "sh", "-c", SCRIPT], "User": "app", "Env": ["PATH=/bin"]})
    service = f"{policy.name}#sh"
    stage.ask(
        "image", "protect", f"oci:{images}:1", f"oci:{images}:1-p", "--policy", service, "--policy-out", policy.path,
        "--as", "alice", "--container",
    )  # fmt: skip
    sealed = stage.ask("output", "seal", policy.path, "--policy", service, "--as", "alice")["sealed"]
    stage.ask("policy", "submit", policy.path, "--as", "alice", "--sealed", sealed)
    with engine(tmp_path / "engine") as podman:
        image = podman.ask("pull", "--quiet", f"oci:{images}:1-p").splitlines()[-1]
        at = f"http://127.0.0.1:{installation.port}"
        more = shield_arguments(installation.door, "--env", f"CASEMATE_CUSTODIAN={at}")
        ran = podman.podman("run", "--name", "it", "--log-driver", "k8s-file", *more, image)
        assert ran.status == 3, ran.errors
        told = opened(policy, podman.ask("logs", "it"))
        assert (told.status, told.output) == (0, f"{WORDS}\n"), told.errors
        logs = [path for path in podman.folder.rglob("ctr.log") if b"casemate-output:v1:" in path.read_bytes()]
        # As the engine keeps it, times and all.
        assert [opened(policy, path).output for path in logs] == [f"{WORDS}\n"]
        stored = [path for path in podman.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert [path for path in stored if WORDS.encode() in path.read_bytes()] == []


def _kept(policy: Policy, log: str) -> Path:
    path = policy.stage.folder / "output.log"
    path.write_text(log)
    return path
