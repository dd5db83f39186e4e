"""The shield as the entry point of a container, started by podman and runc."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from casemate.client import pins
from casemate.manifest import library
from casemate.testing.engine import FLAGS, MISSING, SOCKET, Engine, engine, is_there
from casemate.testing.stage import Result, wait_for
from casemate.wire import canonical
from casemate.wire.fields import b64u_encode

from .conftest import BUSYBOX, Installation, Policy, other_custodian

pytestmark = pytest.mark.skipif(not is_there(), reason=MISSING)

LINES = "trap 'echo got TERM; exit 7' TERM; echo up; while :; do sleep 0.1 & wait; done"


@dataclass
class Contained:
    """A policy whose one service is a shell in a container; the image's files can be changed before it is made."""

    policy: Policy
    podman: Engine
    image: str
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)

    def make(self, name: str | None = None, **changes: bytes | None) -> str:
        """An image; `changes` are files below /casemate by their names without ending."""
        files = dict(self.files)
        for changed, data in changes.items():
            path = next(path for path in files if path.startswith(f"/casemate/{changed}"))
            files.pop(path)
            if data is not None:
                files[path] = (data, 0o444)
        self.podman.make(name or self.image, files)
        return name or self.image

    def options(self, script: str, *more: str, custodian: str | None = None) -> list[str]:
        at = custodian or f"http://127.0.0.1:{self.policy.installation.port}"
        return [
            *FLAGS, "--volume", f"{self.policy.installation.door}:{SOCKET}", "--env", f"CASEMATE_CUSTODIAN={at}",
            "--env", f"CASEMATE_HOLE_script={script}", *more,
        ]  # fmt: skip

    def run(self, script: str, *more: str, image: str | None = None, custodian: str | None = None) -> Result:
        options = self.options(script, *more, custodian=custodian)
        return self.podman.podman("run", "--rm", *options, image or self.image)

    def start(self, name: str, script: str, *more: str) -> None:
        self.podman.ask("run", "--detach", "--name", name, *self.options(script, *more), self.image)
        wait_for(f"{name} to be up", lambda: "up" in self.podman.podman("logs", name).output, seconds=50)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("podman") / "engine") as made:
        yield made


def _contained(
    installation: Installation, podman: Engine, image: str, options: Sequence[str] = (), **more: Any
) -> Contained:
    policy = installation.policy()
    manifest = policy.shell(
        options=options,
        platforms=["simulated-container"],
        runtime={"measurement": installation.container_runtime},
        **more,
    )
    built = library.load(installation.stage.home / "manifests", manifest)
    genesis = pins.load(installation.stage.home / "custodians", "main").genesis
    return Contained(policy, podman, image, _files(built.parsed.data, genesis.to_object(), installation))


def _files(manifest: bytes, genesis: Mapping[str, Any], installation: Installation) -> dict[str, tuple[bytes, int]]:
    shield = Path(installation.stage.ask("platform", "show")["shield"])
    custodian = {"genesis": b64u_encode(canonical.encode(genesis)), "addresses": []}
    return {
        "/casemate/shield": (shield.read_bytes(), 0o555),
        "/casemate/manifest.json": (manifest, 0o444),
        "/casemate/custodian.json": (json.dumps(custodian).encode(), 0o444),
        BUSYBOX: (Path(BUSYBOX).read_bytes(), 0o555),
    }


@pytest.fixture(scope="module")
def shell(installation: Installation, podman: Engine) -> Contained:
    made = _contained(
        installation,
        podman,
        "shell",
        ["--env=PASSWORD={{ hole.PASSWORD }}", "--hole=PASSWORD=[A-Za-z0-9_-]+", "--writable=/tmp"],
        environment={"PASSWORD": "{{ secret.password }}"},
    )
    made.policy.document["secrets"] = {"password": {"kind": "random", "bytes": 24, "encoding": "base64url"}}
    made.policy.submit()
    made.make()
    return made


def test_a_workload_gets_its_secrets_and_its_exit_status_is_the_containers(shell: Contained) -> None:
    told = shell.run("echo $PASSWORD; exit 9")
    assert told.status == 9, told.errors
    assert len(told.output.strip()) == 32
    assert "platform simulated-container: it protects nothing" in told.errors


def test_the_host_sees_no_secret_in_what_the_engine_stores(shell: Contained) -> None:
    shell.start("secretive", f"echo $PASSWORD > /tmp/kept; {LINES}")
    try:
        secret = shell.run("echo $PASSWORD").output.strip().encode()
        assert len(secret) == 32
        stored = [path for path in shell.podman.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert stored
        assert [path for path in stored if secret in path.read_bytes()] == []
    finally:
        shell.podman.remove("secretive")


def test_podman_stop_reaches_the_workload_at_once(shell: Contained) -> None:
    shell.start("stopped", LINES)
    try:
        began = time.monotonic()
        shell.podman.ask("stop", "--time", "30", "stopped")
        assert time.monotonic() - began < 10
        assert "got TERM" in shell.podman.ask("logs", "stopped")
        assert shell.podman.ask("inspect", "--format", "{{.State.ExitCode}}", "stopped") == "7"
    finally:
        shell.podman.remove("stopped")


def test_podman_stop_ends_a_shield_that_still_waits_for_its_custodian(shell: Contained) -> None:
    """The first process of a container is spared by signals that it does not ask for."""
    silent = socket.create_server(("127.0.0.1", 0))
    nowhere = shell.options("true", custodian=f"http://127.0.0.1:{silent.getsockname()[1]}")
    shell.podman.ask("run", "--detach", "--name", "waiting", *nowhere, shell.image)
    try:
        wait_for(
            "it joined", lambda: "simulated-container" in shell.podman.podman("logs", "waiting").errors, seconds=50
        )
        began = time.monotonic()
        shell.podman.ask("stop", "--time", "30", "waiting")
        assert time.monotonic() - began < 10
        assert shell.podman.ask("inspect", "--format", "{{.State.ExitCode}}", "waiting") == "143"
    finally:
        shell.podman.remove("waiting")
        silent.close()


def test_the_shield_hides_its_memory_in_a_container_too(shell: Contained) -> None:
    shell.start("hidden", LINES)
    try:
        pid = shell.podman.ask("inspect", "--format", "{{.State.Pid}}", "hidden")
        assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    finally:
        shell.podman.remove("hidden")


def test_podman_exec_gets_no_shell_and_no_second_workload(shell: Contained) -> None:
    shell.start("entered", f"echo x > /tmp/kept; {LINES}")
    try:
        for command in (["/bin/sh"], ["sh", "-c", "echo in"], ["cat", "/proc/1/environ"]):
            told = shell.podman.podman("exec", "entered", *command)
            assert told.status in {126, 127}, (told.output, told.errors)
        told = shell.podman.podman("exec", "entered", "/casemate/shield", "--container")
        assert told.status == 70
        assert "is not the first process of this container" in told.errors
        told = shell.podman.podman("exec", "entered", BUSYBOX, "ls", "/tmp")
        assert "kept" not in told.output  # the workload's root is another one
    finally:
        shell.podman.remove("entered")


def test_what_the_engine_injects_does_not_get_through(shell: Contained, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_text("planted")
    more = [
        "--hostname", "evil", "--add-host", "evil.example:10.0.0.1", "--env", "LD_PRELOAD=/evil.so", "--volume",
        f"{planted}:/etc/planted", "--env", "PASSWORD=guessed",
    ]  # fmt: skip
    options = shell.options("hostname; env; ls /etc /run /.dockerenv; echo --; cat /etc/hosts; exit 0", *more)
    told = shell.podman.podman("run", "--rm", *options, shell.image, "sh", "-c", "echo other")
    assert told.status == 0, told.errors
    assert told.output.startswith("casemate\n")
    for word in ("evil", "planted", "guessed", "other", "containerenv", "LD_PRELOAD", "container="):
        assert word not in told.output, told.output
    assert "dropped 3 offered arguments" in told.errors
    assert "LD_PRELOAD" in told.errors


def test_unexpected_mounts_and_unknown_holes_are_refused_by_name(shell: Contained, tmp_path: Path) -> None:
    told = shell.run("true", "--volume", f"{tmp_path}:/casemate/volumes/data")
    assert told.status == 64
    assert "/casemate/volumes/data is mounted, and the manifest knows nothing of it" in told.errors
    told = shell.run("true", "--env", "CASEMATE_HOLE_PATH=/evil")
    assert told.status == 64
    assert "PATH" in told.errors


def test_an_altered_file_of_the_image_is_refused(shell: Contained) -> None:
    data, _ = shell.files[BUSYBOX]
    altered = bytearray(data)
    altered[-1] ^= 1
    podman_files = {**shell.files, BUSYBOX: (bytes(altered), 0o555)}
    shell.podman.make("altered", podman_files)
    told = shell.run("echo in", image="altered")
    assert told.status == 65
    assert (told.output, "busybox" in told.errors) == ("", True)


def test_an_altered_manifest_gets_nothing_and_why_says_on_which_platform(shell: Contained) -> None:
    manifest = json.loads(shell.files["/casemate/manifest.json"][0])
    manifest["environment"]["EVIL"] = "1"
    told = shell.run("echo in", image=shell.make("forged", manifest=canonical.encode(manifest)))
    assert told.status == 67
    assert told.output == ""
    found = re.search(r"casemate why ([0-9a-f]{40})", told.errors)
    assert found, told.errors
    why = shell.policy.stage.ask("why", found[1], "--as", "alice")
    assert (why["outcome"], why["step"]) == ("denied", "workload.manifest")
    assert why["claims"]["platform"] == "simulated-container"


def test_another_image_under_the_same_name_gets_nothing(
    shell: Contained, installation: Installation, podman: Engine
) -> None:
    other = _contained(installation, podman, "other", ["--env=OTHER=1"])
    other.policy.submit()
    other.make("shell-of-somebody")
    assert other.run("echo $OTHER$PASSWORD", image="shell-of-somebody").output == "1\n"


def test_a_launched_domain_is_not_admitted_where_containers_are_and_the_other_way_round(
    shell: Contained, installation: Installation, podman: Engine
) -> None:
    launched = shell.policy.run("echo in")
    assert (launched.status, launched.output) == (67, "")
    other = _contained(installation, podman, "for-launches")
    other.policy.document["services"]["sh"]["platforms"] = ["simulated"]
    other.policy.submit()
    other.make()
    told = other.run("echo in")
    assert (told.status, told.output) == (67, "")


def test_without_a_custodian_or_with_somebody_elses_nothing_starts(
    shell: Contained, installation: Installation
) -> None:
    with installation.away():
        told = shell.run("echo in")
        assert (told.status, told.output) == (68, "")
    with other_custodian(installation) as url:
        told = shell.run("echo in", custodian=url)
        assert (told.status, told.output) == (69, "")


def test_a_workload_lives_through_a_restart_of_its_custodian(shell: Contained, installation: Installation) -> None:
    shell.start("lasting", LINES)
    try:
        with installation.away():
            pass
        time.sleep(1)
        assert shell.podman.ask("inspect", "--format", "{{.State.Running}}", "lasting") == "true"
        shell.podman.ask("stop", "--time", "30", "lasting")
        assert shell.podman.ask("inspect", "--format", "{{.State.ExitCode}}", "lasting") == "7"
    finally:
        shell.podman.remove("lasting")


def test_without_the_platforms_socket_it_says_what_to_mount(shell: Contained) -> None:
    told = shell.podman.podman("run", "--rm", *FLAGS, "--env", "CASEMATE_CUSTODIAN=http://127.0.0.1:1",
                               "--env", "CASEMATE_HOLE_script=true", shell.image)  # fmt: skip
    assert told.status == 66
    assert "casemate platform simulate --containers" in told.errors
