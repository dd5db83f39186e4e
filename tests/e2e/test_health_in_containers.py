"""Health checks of protected images: measured, run in the domain, asked for by a container engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casemate.testing.engine import MISSING, Engine, children, engine, is_there, shield_arguments
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result, wait_for

from .conftest import BUSYBOX, Installation, Policy

pytestmark = [
    pytest.mark.skipif(not is_there(), reason=MISSING),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
]

SECOND = 1_000_000_000
TOLD = "said-by-the-check"
# Well, if the workload says so, with its user and its environment. It leaves a process behind.
CHECK = f"echo {TOLD}; sleep 987 & test $PASSWORD = s3cret-enough && test $(id -u) = 1000 && test -f /tmp/well"
# SIGUSR1: well. SIGUSR2: not any more. SIGHUP: says what runs.
SCRIPT = (
    "trap 'touch /tmp/well' USR1; trap 'rm /tmp/well' USR2; trap 'ps -o args' HUP; echo up;"
    " while :; do sleep 0.1 & wait; done"
)
APPLETS = ("sh", "id", "ps", "rm", "sleep", "test", "touch")
ASK = ("/casemate/shield", "--health")
# Podman takes no health check from images in OCI's form, and starts its own clock with systemd only.
HEALTH = ("--health-cmd", json.dumps(ASK), "--health-interval", "disable")


@dataclass
class Checked:
    """Images with a health check, of one policy."""

    installation: Installation
    policy: Policy
    podman: Engine
    images: Path

    def protect(self, word: str, check: Sequence[str], **times: int) -> dict[str, Any]:
        applets = [member(f"bin/{name}", type=b"2", linkname="busybox") for name in APPLETS]
        base = archive(
            folder("bin"),
            member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755),
            *applets,
            folder("tmp", 0o1777),
            folder("etc"),
            member("etc/passwd", b"app:x:1000:1000::/tmp:/bin/sh\n"),
        )
        settings = {
            "Cmd": ["sh", "-c", SCRIPT], "User": "app", "Env": ["PATH=/bin", "PASSWORD=s3cret-enough"],
            "Healthcheck": {"Test": check, **times},
        }  # fmt: skip
        write_image(self.images, word, [base], settings)
        return self.policy.stage.ask(
            "image", "protect", f"oci:{self.images}:{word}", self.place(word), "--policy", f"{self.policy.name}#api",
            "--policy-out", self.policy.path, "--as", "alice", "--container",
        )  # fmt: skip

    def admit(self, made: dict[str, Any]) -> None:
        how = ["--sealed", made["sealed"]] if made["sealed"] else ["--on-top"]
        self.policy.stage.ask("policy", "submit", self.policy.path, "--as", "alice", *how)

    def place(self, word: str) -> str:
        return f"oci:{self.images}:{word}-p"

    def options(self, word: str) -> list[str]:
        image = self.podman.ask("pull", "--quiet", self.place(word)).splitlines()[-1]
        at = f"CASEMATE_CUSTODIAN=http://127.0.0.1:{self.installation.port}"
        return [*shield_arguments(self.installation.door, "--env", at), *HEALTH, image]

    @contextmanager
    def running(self, word: str) -> Iterator[str]:
        name = f"checked-{word}"
        self.podman.ask("run", "--detach", "--name", name, *self.options(word))
        try:
            wait_for(f"{name} to be up", lambda: "up" in self.podman.podman("logs", name).output, seconds=50)
            yield name
        finally:
            self.podman.remove(name)

    def is_healthy(self, name: str) -> bool:
        """As the engine's own command says it, after every answer that is given again."""
        time.sleep(1.1)
        return self.podman.podman("healthcheck", "run", name).status == 0

    def signal(self, name: str, signal: str) -> None:
        self.podman.ask("kill", "--signal", signal, name)


@pytest.fixture(scope="module")
def checked(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    policy = installation.policy()
    policy.path.unlink()
    scratch = tmp_path_factory.mktemp("health")
    with engine(scratch / "engine") as podman:
        made = Checked(installation, policy, podman, scratch / "images")
        made.admit(made.protect("one", ["CMD-SHELL", CHECK], Interval=5 * SECOND, Timeout=3 * SECOND, Retries=2))
        yield made


def test_the_check_runs_as_the_workload_does_and_follows_it(checked: Checked) -> None:
    with checked.running("one") as name:
        assert not checked.is_healthy(name)
        checked.signal(name, "USR1")
        wait_for("it to be well", lambda: checked.is_healthy(name), seconds=20)
        checked.signal(name, "USR2")
        wait_for("it to be not well", lambda: not checked.is_healthy(name), seconds=20)
        asked = checked.podman.podman("exec", name, *ASK)
        assert (asked.status, asked.output) == (1, "unhealthy\n")


def test_whoever_asks_learns_a_word_and_nothing_of_the_check_is_left(checked: Checked) -> None:
    with checked.running("one") as name:
        checked.is_healthy(name)
        told = checked.podman.podman("exec", "--user", "4000", name, *ASK, "--more", "words")
        assert told.output in {"healthy\n", "unhealthy\n"}, told.errors
        checked.signal(name, "HUP")
        wait_for("it says what runs", lambda: "ps -o args" in _logs(checked, name), seconds=20)
        said = _logs(checked, name) + checked.podman.ask("inspect", name)
        assert TOLD not in said
        assert "sleep 987" not in said


def test_what_runs_the_check_has_nothing_of_the_hosts_open(checked: Checked) -> None:
    with checked.running("one") as name:
        checked.is_healthy(name)
        shield = checked.podman.ask("inspect", "--format", "{{.State.Pid}}", name).strip()
        (first,) = children(shield)
        workload, checker = sorted(children(first), key=int)
        assert not os.readlink(f"/proc/{workload}/fd/1").startswith("/dev/null")
        assert [os.readlink(f"/proc/{checker}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3


def _logs(checked: Checked, name: str) -> str:
    told = checked.podman.podman("logs", name)
    return told.output + told.errors


def test_a_check_that_takes_too_long_is_ended_and_the_next_one_is_asked_anew(checked: Checked) -> None:
    slow = checked.protect("slow", ["CMD", "sh", "-c", "test -f /tmp/well || sleep 988"], Timeout=SECOND)
    checked.admit(slow)
    with checked.running("slow") as name:
        began = time.monotonic()
        assert not checked.is_healthy(name)
        assert 2 < time.monotonic() - began < 20
        checked.signal(name, "HUP")
        wait_for("it says what runs", lambda: "ps -o args" in _logs(checked, name), seconds=20)
        assert "sleep 988" not in _logs(checked, name)
        checked.signal(name, "USR1")
        wait_for("it to be well", lambda: checked.is_healthy(name), seconds=20)


def test_another_check_is_another_workload_and_gets_nothing(checked: Checked) -> None:
    checked.protect("other", ["CMD", "sh", "-c", "echo $PASSWORD > /proc/1/fd/2"])
    told = _run(checked, "other")
    assert (told.status, told.output) == (67, ""), told.errors


def _run(checked: Checked, word: str) -> Result:
    return checked.podman.podman("run", "--rm", *checked.options(word))


def test_without_a_check_nobody_answers(checked: Checked) -> None:
    checked.admit(checked.protect("none", ["NONE"]))
    with checked.running("none") as name:
        told = checked.podman.podman("exec", name, *ASK)
        assert told.status == 1
        assert "is this a container of a protected image with a health check?" in told.errors
