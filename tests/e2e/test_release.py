"""A workload gets what its policy says, in memory, and nothing of the host."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from casemate.testing.stage import wait_for

from .conftest import Installation, Policy


def test_secrets_arrive_in_environment_and_files_with_owner_and_mode(shell: Policy) -> None:
    told = shell.run("cat /run/secrets/password; echo; echo $PASSWORD; stat -c '%a %u:%g %n' /run/secrets/*")
    assert told.status == 0, told.errors
    in_file, in_environment, *files = told.output.splitlines()
    assert in_file == in_environment
    assert len(in_file) == 32
    assert files == [
        "444 1000:1000 /run/secrets/ca.pem",
        "444 1000:1000 /run/secrets/chain.pem",
        "400 1000:1000 /run/secrets/key.pem",
        "400 1000:1000 /run/secrets/password",
    ]


def test_secrets_stay_the_same_for_the_next_start(shell: Policy) -> None:
    said = {shell.run("echo $PASSWORD").output for _ in range(2)}
    assert len(said) == 1


def test_secrets_are_in_no_file_of_the_host(shell: Policy, installation: Installation) -> None:
    secret = shell.run("echo $PASSWORD").output.strip().encode()
    assert len(secret) == 32
    assert _files_with(installation, secret) == []


def _files_with(installation: Installation, text: bytes) -> list[Path]:
    files = [path for path in installation.stage.folder.rglob("*") if path.is_file()]
    return [path for path in files if text in path.read_bytes()]


def test_the_certificate_verifies_and_belongs_to_the_key(shell: Policy, tmp_path: Path) -> None:
    for name in ("ca.pem", "chain.pem", "key.pem"):
        (tmp_path / name).write_text(shell.run(f"cat /run/secrets/{name}").output)
    verified = _openssl(
        tmp_path, "verify", "-x509_strict", "-CAfile", "ca.pem", "-verify_hostname", "localhost", "chain.pem"
    )
    assert verified == "chain.pem: OK\n"
    assert _openssl(tmp_path, "x509", "-in", "chain.pem", "-noout", "-pubkey") == _openssl(
        tmp_path, "pkey", "-in", "key.pem", "-pubout"
    )


def _openssl(folder: Path, *arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("script", "status"), [("true", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137)])
def test_the_exit_status_is_the_workloads(shell: Policy, script: str, status: int) -> None:
    assert shell.run(script).status == status


def test_input_output_and_errors_pass_through(shell: Policy) -> None:
    told = shell.run("cat; echo to errors >&2; printf 'no newline'", stdin="line 1\nline ä\n")
    assert (told.status, told.output) == (0, "line 1\nline ä\nno newline")
    assert "to errors\n" in told.errors


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT"])
def test_signals_reach_the_workload(shell: Policy, name: str) -> None:
    running = shell.start(f"trap 'echo got {name}; exit 9' {name}; echo up; while :; do sleep 1 & wait; done")
    running.says("up")
    assert running.end(getattr(signal, f"SIG{name}")) == 9
    assert f"got {name}" in running.output


def test_a_workload_ends_with_the_command_that_started_it(shell: Policy) -> None:
    running = shell.start("trap 'echo bye; exit' TERM; echo up; while :; do sleep 1 & wait; done")
    running.says("up")
    running.end(signal.SIGKILL)
    wait_for("the workload's last word", lambda: "bye" in running.output, seconds=50)


def test_the_environment_is_the_manifests_and_not_the_hosts(shell: Policy) -> None:
    hostile = ["--env", "LD_PRELOAD=/tmp/evil.so", "--env", "FIXED=by the host", "--env", "PASSWORD=guessed"]
    own = "cat /proc/$$/environ | tr '\\0' '\\n'"
    told = shell.run(own, *hostile, env={"PATH_OF_THE_HOST": "1", "PYTHONSTARTUP": "/tmp/x"})
    variables = dict(line.split("=", 1) for line in told.output.splitlines())
    assert set(variables) == {"FIXED", "PASSWORD"}
    assert variables["FIXED"] == "as measured"
    assert variables["PASSWORD"] != "guessed"
    assert "LD_PRELOAD" in told.errors, "what was dropped is told"


def test_holes_of_the_host_come_from_options_or_arguments_that_fit(shell: Policy) -> None:
    service = f"{shell.name}#sh"
    by_argument = shell.stage.cli("run", service, "--", "sh", "-c", "echo by argument")
    assert (by_argument.status, by_argument.output) == (0, "by argument\n"), by_argument.errors
    for arguments, reason in (
        (("--", "sh", "-x", "echo"), "an argument does not fit the manifest"),
        (("--", "sh", "-c"), "the manifest has 3 arguments, 2 were given"),
        (("--hole", "other=1", "--hole", "script=x"), "the manifest has no hole other"),
        (("--hole", "PASSWORD=mine", "--hole", "script=x"), "the hole PASSWORD is filled by the policy"),
        ((), "no value for the hole script"),
        (("--hole", "script=a", "--", "sh", "-c", "b"), "two values for the hole script"),
    ):
        refused = shell.stage.cli("run", service, *arguments)
        assert (refused.status, reason in refused.errors) == (2, True), refused.errors


def test_the_private_root_holds_what_was_measured_and_cannot_be_changed(shell: Policy) -> None:
    script = "ls / /usr/bin; id -u; touch /usr/bin/x /x; echo ok > /tmp/x && cat /tmp/x; ls /proc | grep -c '^[0-9]'"
    told = shell.run(script)
    lines = told.output.split()
    assert lines[:6] == ["/:", "dev", "proc", "run", "tmp", "usr"]
    assert lines[6:] == ["/usr/bin:", "busybox", "1000", "ok", lines[-1]]
    assert int(lines[-1]) < 8, "it sees its own processes alone"
    assert told.errors.count("Read-only file system") == 2


def test_a_value_that_its_owner_sealed_arrives_and_its_text_is_nowhere_else(
    installation: Installation, tmp_path: Path
) -> None:
    policy = installation.policy()
    token = tmp_path / "token"
    token.write_text("hunter2-e2e-token")
    sealed = policy.stage.folder / "sealed.json"
    made = policy.stage.ask("policy", "seal", policy.name, "token", "--from", token, "--into", sealed, "--as", "alice")
    policy.document["secrets"] = {"token": {"kind": "value", "commitment": made["commitment"]}}
    policy.shell(options=["--file=/run/token"], files={"/run/token": {"content": "{{ secret.token }}", "mode": "0400"}})
    forgotten = policy.try_to_submit()
    assert forgotten["step"] == "secrets.sealed"
    assert "the value of token did not come along" in forgotten["message"]
    policy.submit("--sealed", str(sealed))
    assert policy.run("cat /run/token").output == "hunter2-e2e-token"
    assert _files_with(installation, b"hunter2") == []
