"""Standard streams in every state, interruptions, odd names and homes: the command line as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "import sys\nfrom casemate.cli.main import main\nsys.argv = ['casemate', *sys.argv[1:]]\nmain()"
CLOSED_PIPE = 141


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "CASEMATE_HOME": str(tmp_path / "home"),
    }


def casemate(*arguments: str | bytes, env: dict[str, str], **how: Any) -> subprocess.CompletedProcess[bytes]:
    wanted: dict[str, Any] = {"capture_output": True, "check": False, "timeout": 50, **how}
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], env=env, **wanted)


def shell(script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`casemate` in it is the command line; a shell can close streams."""
    own = 'casemate() { "$0" -c "$SCRIPT" "$@"; }'
    return subprocess.run(
        ["bash", "-c", f"{own}\n{script}", sys.executable],
        env={**env, "SCRIPT": SCRIPT}, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_has_left_is_no_error_but_has_a_status(
    environment: dict[str, str], options: tuple[str, ...]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        done = casemate("identity", "list", *options, env=environment, capture_output=False, stdout=nobody,
                        stderr=subprocess.PIPE)  # fmt: skip
    assert (done.returncode, done.stderr) == (CLOSED_PIPE, b"")


@pytest.mark.parametrize("json_option", ["", "--json"])
@pytest.mark.parametrize(("where", "reason"), [(">/dev/full", "No space left"), (">&-", "Bad file descriptor")])
def test_a_result_that_nobody_gets_is_an_error(
    environment: dict[str, str], json_option: str, where: str, reason: str
) -> None:
    done = shell(f"casemate identity list {json_option} {where}; echo $? >&2", environment)
    message, *_, status = done.stderr.splitlines()
    assert message.startswith(f"error: the result cannot be written: {reason}")
    assert status == "1"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_an_error_that_nobody_hears_still_has_its_status(environment: dict[str, str], where: str) -> None:
    done = shell(f"casemate identity show nobody {where}; echo $?", environment)
    assert done.stdout == "80\n"


def test_without_any_stream_commands_work(environment: dict[str, str]) -> None:
    done = shell("casemate identity create alice <&- >&- 2>&-; echo $?", environment)
    assert done.stdout == "1\n", "the result was not written"
    assert casemate("identity", "show", "alice", env=environment).returncode == 0


def test_a_closed_input_is_an_empty_one(environment: dict[str, str], tmp_path: Path) -> None:
    done = shell("casemate policy check - <&-; echo $?", environment)
    assert (done.stdout, done.stderr) == ("-:1:1: the file is empty\n    start with casemate: 1\n31\n", "")


def test_an_interruption_ends_a_wait_silently(environment: dict[str, str]) -> None:
    """Somebody takes the connection and says nothing: then it certainly waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            # Whoever started the tests in the background may have had it ignored.
            ["env", "--default-signal=INT", sys.executable, "-c", SCRIPT, "custodian", "attest", "x", "--url", url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=50)
    assert (process.returncode, output, errors) == (130, "", "")


def test_names_that_are_no_text_are_told(environment: dict[str, str], tmp_path: Path) -> None:
    name = b"caf\xe9\x1b[31m"
    plain = casemate("policy", "check", name, env=environment, cwd=tmp_path)
    assert plain.stderr == b"error: caf\\udce9\\u001b[31m: No such file or directory\n"
    as_json = casemate("policy", "check", "--json", name, env=environment, cwd=tmp_path)
    assert json.loads(as_json.stdout)["error"]["message"].startswith("caf\udce9\x1b[31m:")


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_any_locale_will_do(environment: dict[str, str], locale: dict[str, str]) -> None:
    done = casemate("identity", "show", "é…", env={**environment, **locale})
    assert done.returncode == 80
    assert done.stderr.startswith(b"error: not a name for an identity")
    json_done = casemate("policy", "check", "--json", "é…", env={**environment, **locale})
    assert "é…" in json.loads(json_done.stdout.decode())["error"]["message"] or locale.get("PYTHONUTF8")


@pytest.mark.parametrize("home", ["/proc", "/dev/null", "/dev/null/below"])
@pytest.mark.parametrize("command", [("identity", "create", "a"), ("platform", "init"), ("platform", "simulate")])
def test_a_home_that_cannot_be_written_is_named(
    environment: dict[str, str], home: str, command: tuple[str, ...]
) -> None:
    done = casemate(*command, "--json", env={**environment, "CASEMATE_HOME": home})
    error = json.loads(done.stdout)["error"]
    assert done.returncode in {70, 80}
    assert home in error["message"] + error.get("got", "")


def test_without_a_home_the_variable_is_named(environment: dict[str, str]) -> None:
    known = {name: value for name, value in environment.items() if name != "CASEMATE_HOME"}
    script = "import os, pwd\npwd.getpwuid = lambda uid: (_ for _ in ()).throw(KeyError(uid))\n" + SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", script, "identity", "list"], env=known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: there is no home folder", "    remedy  set CASEMATE_HOME"]
