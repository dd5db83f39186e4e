"""Without root: platform, shield and workload as an ordinary user, where the kernel gives users namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.testing.stage import wait_for

from .conftest import Installation, Policy

UID = 54321
SCRIPT = Path(__file__).parent / "unprivileged.py"


def _may_make_namespaces() -> bool:
    """Whether an ordinary user may, here."""
    command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "unshare", "--user", "--mount", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="everything runs without root already"),
    pytest.mark.skipif(not _may_make_namespaces(), reason="this kernel gives users no namespaces of their own"),
]


class Unprivileged:
    """The same installation, used by somebody without privileges from a home of their own."""

    def __init__(self, shell: Policy) -> None:
        self._stage = shell.stage
        self._name = shell.name
        self.home = shell.stage.folder / "unprivileged"
        for folder in ("platform", "custodians", "manifests"):
            shutil.copytree(shell.stage.home / folder, self.home / folder, ignore=shutil.ignore_patterns("agent.sock*"))
        self._shield = Path(shutil.copy(shell.stage.ask("platform", "show")["shield"], self.home / "shield"))
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, UID, UID)
        shell.stage.folder.chmod(0o711)

    def learn(self, policy: Policy) -> None:
        """What it takes to start a service of another policy."""
        for path in (policy.stage.home / "manifests").iterdir():
            copy = self.home / "manifests" / path.name
            if not copy.exists():
                shutil.copy(path, copy)
                os.chown(copy, UID, UID)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **self._stage.environment, "CASEMATE_HOME": str(self.home), "CASEMATE_SHIELD": str(self._shield)
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT), str(UID), *arguments],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *options: str, policy: Policy | None = None) -> tuple[int, str, str]:
        name = policy.name if policy else self._name
        with self.command("run", f"{name}#sh", "--hole", f"script={script}", *options) as process:
            output, errors = process.communicate(timeout=50)
            return process.returncode, output, errors


@pytest.fixture(scope="module")
def unprivileged(shell: Policy) -> Iterator[Unprivileged]:
    user = Unprivileged(shell)
    agent = user.command("platform", "simulate")
    try:
        wait_for("the platform of a user", (user.home / "platform" / "agent.sock").exists)
        yield user
    finally:
        agent.terminate()
        agent.communicate(timeout=50)


def test_nobody_here_is_root(unprivileged: Unprivileged) -> None:
    assert (unprivileged.home / "platform" / "agent.sock").stat().st_uid == UID


def test_a_workload_gets_the_same_secrets_without_root(unprivileged: Unprivileged, shell: Policy) -> None:
    status, output, errors = unprivileged.run("id -u; cat /run/secrets/password; echo; touch /x; ls /")
    assert status == 0, errors
    user, password, *root = output.split()
    assert (user, password) == ("1000", shell.run("echo $PASSWORD").output.strip())
    assert root == ["dev", "proc", "run", "tmp", "usr"]
    assert "Read-only file system" in errors


def test_status_and_signals_pass_without_root(unprivileged: Unprivileged) -> None:
    assert unprivileged.run("exit 7")[0] == 7
    assert unprivileged.run("kill -9 $$")[0] == 137


def _may_mount() -> bool:
    """Whether an ordinary user may open the device, as Debian has it."""
    command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "sh", "-c", ": <> /dev/fuse"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="/dev/fuse is not for users here")
def test_a_sealed_volume_works_without_root(unprivileged: Unprivileged, installation: Installation) -> None:
    policy = installation.policy()
    policy.document["volumes"] = {"records": {"root": "tag", "freshness": "strict", "accept_anchor": ["insecure_file"]}}
    policy.shell(options=["--volume=/data"], volumes={"/data": {"volume": "records", "mode": "write"}})
    policy.submit()
    unprivileged.learn(policy)
    files = f"--volume=/data={unprivileged.home / 'files'}"
    for expected in ("", "kept\n"):
        status, output, errors = unprivileged.run("cat /data/record; echo kept > /data/record", files, policy=policy)
        assert (status, output) == (0, expected), errors
