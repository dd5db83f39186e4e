"""What a launched domain has: its descriptors, its environment, a private socket that nobody else can ask at."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.platforms.sev_snp.report import Report
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.fields import b64u_decode

from .conftest import HOST_DATA, Running

PYTHON = Path(sys.executable).resolve()
"""The file itself: a virtual environment's link is not what can be launched."""

ASK = """
import json, socket, sys
platform = socket.socket(fileno=3)
def ask(body):
    platform.sendall(len(body).to_bytes(4, "big") + body)
    head = platform.recv(4)
    if not head:
        return None
    length, answer = int.from_bytes(head, "big"), b""
    while len(answer) < length:
        answer += platform.recv(length - len(answer))
    return json.loads(answer)
for line in sys.argv[1:]:
    print(json.dumps(ask(bytes.fromhex(line))))
"""


def asked(agent: Running, *requests: object, program: Path = PYTHON, **changes: Any) -> list[Any]:
    """The platform's answers to what a launched program asks on its descriptor 3. Bytes are sent as they are."""
    bodies = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in requests]
    arguments = ["-I", "-c", ASK, *(body.hex() for body in bodies)]
    with agent.run(program, *arguments, **changes) as (started, dialogue):
        answers = [json.loads(line) for line in dialogue.rest().splitlines()]
        assert started.wait() == 0
        return answers


def key(context: str = "") -> dict[str, str]:
    return {"op": "derive_key", "context": context}


def report(data: bytes) -> dict[str, str]:
    return {"op": "report", "report_data": data.hex()}


def test_a_domain_gets_exactly_its_arguments_and_environment(agent: Running) -> None:
    environment = {"B": "two words", "A": "", "PATH": "/usr/bin:/bin"}
    with agent.run("/bin/sh", "-c", "echo $# $1; exec env", "sh", "--flag=ü x", environment=environment) as run:
        started, dialogue = run
        said = dialogue.rest().decode().splitlines()
        assert started.wait() == 0
    assert said[0] == "1 --flag=ü x"
    assert set(said[1:]) - {"PWD=/", f"PWD={os.getcwd()}"} == {"B=two words", "A=", "PATH=/usr/bin:/bin"}


def test_a_domain_gets_its_five_descriptors_and_none_that_the_agent_inherited(agent: Running) -> None:
    inherited = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        script = "for n in $(seq 0 300); do [ -e /proc/$$/fd/$n ] && echo -n $n,; done; cat <&4"
        with agent.run("/bin/sh", "-c", script) as (started, dialogue):
            assert dialogue.rest() == b"0,1,2,3,4,bundle"
            assert started.wait() == 0
    finally:
        os.close(inherited)


def test_descriptor_3_is_a_private_socket_and_4_the_bundle(agent: Running) -> None:
    with agent.run("/bin/sh", "-c", "readlink /proc/$$/fd/3 /proc/$$/fd/4") as (started, dialogue):
        assert started.wait() == 0
        private, bundle = dialogue.rest().decode().splitlines()
    assert private.startswith("socket:")
    assert bundle.startswith("/memfd:casemate-bundle")


def test_a_domain_runs_in_a_session_of_its_own_with_default_signals(agent: Running) -> None:
    script = "grep -E '^(SigBlk|SigIgn)' /proc/self/status; cut -d' ' -f6 /proc/$$/stat; echo $$"
    with agent.run("/bin/sh", "-c", script) as (started, dialogue):
        assert started.wait() == 0
        blocked, ignored, session, pid = dialogue.rest().decode().splitlines()
    assert blocked.split()[1] == "0" * 16
    assert int(ignored.split()[1], 16) & (1 << 12) == 0  # SIGPIPE, which Python ignores, is 13
    assert session == pid == str(started.pid)


def test_a_report_names_what_was_launched_and_what_it_is_asked_for(agent: Running) -> None:
    data = bytes(range(64))
    with agent.run(PYTHON, "-I", "-c", ASK, json.dumps(report(data)).encode().hex()) as (started, dialogue):
        answer = json.loads(dialogue.rest())
        assert started.wait() == 0
    parsed = Report.parse(b64u_decode(answer["report"]))
    assert (parsed.report_data, parsed.host_data) == (data, HOST_DATA)
    assert f"sha384:{parsed.measurement.hex()}" == started.measurement


def test_a_child_of_a_domain_asks_as_the_domain_whoever_it_is(agent: Running, tmp_path: Path) -> None:
    """Identity hangs on the socket pair that was made at launch: another program behind it is measured as the first."""
    stand_in = f'exec {PYTHON} -I -c "$ASK" {json.dumps(report(bytes(64))).encode().hex()}'
    with agent.run("/bin/sh", "-c", stand_in, environment={"ASK": ASK}) as (started, dialogue):
        answer = json.loads(dialogue.rest())
        assert started.wait() == 0
    measured = Report.parse(b64u_decode(answer["report"])).measurement
    assert f"sha384:{measured.hex()}" == started.measurement


@pytest.mark.parametrize("wanted", [report(bytes(64)), key()])
def test_nobody_can_ask_for_evidence_or_keys_at_the_control_socket(agent: Running, wanted: dict[str, str]) -> None:
    assert "launch: op" in agent.refusal(wanted)


def test_whoever_launched_a_domain_cannot_ask_for_it(agent: Running) -> None:
    """On the connection that stays, a request for evidence is no signal: the domain ends, nothing is answered."""
    with agent.launch("/bin/sleep", "1000") as started:
        agent_side = started._connection
        body = json.dumps(report(bytes(64))).encode()
        agent_side.sendall(len(body).to_bytes(4, "big") + body)
        assert agent_side.recv(1) == b""


@pytest.mark.parametrize(
    "wanted",
    [
        {"op": "report"},
        {"op": "report", "report_data": "00" * 63},
        {"op": "report", "report_data": "0G" * 64},
        {"op": "report", "report_data": "00" * 64, "measurement": "00" * 48},
        {"op": "report", "report_data": 5},
        {"op": "derive_key"},
        {"op": "derive_key", "context": "00" * 65},
        {"op": "derive_key", "context": "0"},
        {"op": "derive_key", "context": "", "host_data": "00" * 32},
        {"op": "launch"},
        {"op": ["report"]},
        {},
        b'{"op":"report","op":"report"}',
        b"{",
    ],
)
def test_a_private_request_of_another_form_is_an_error_and_the_next_one_works(agent: Running, wanted: object) -> None:
    refused, answer = asked(agent, wanted, key())
    assert set(refused) == {"error"}
    assert len(b64u_decode(answer["key"])) == 32


def test_a_private_frame_over_the_limit_ends_the_conversation(agent: Running) -> None:
    huge = "platform.sendall(b'\\xff' * 4); print(platform.makefile('rb').read()[4:].decode())"
    with agent.run(PYTHON, "-I", "-c", ASK + huge) as (started, dialogue):
        assert json.loads(dialogue.rest()) == {"error": "a frame is too large"}
        assert started.wait() == 0


def test_keys_differ_by_chip_measurement_manifest_and_context_and_by_nothing_else(
    agent: Running, platform: SimulatedPlatform, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.write_bytes(PYTHON.read_bytes() + b"\0")
    other.chmod(0o755)
    home = {"environment": {"PYTHONHOME": sys.base_prefix}}
    first, again = asked(agent, key("aa"), key("aa"))
    context, none = asked(agent, key("ab"), key(""))
    (manifest,) = asked(agent, key("aa"), host_data=bytes(32))
    (later,) = asked(agent, key("aa"), environment={"OTHER": "1"})
    (measured,) = _measured_otherwise(agent, other, home)
    assert first == again == later
    assert len({item["key"] for item in (first, context, none, manifest, measured)}) == 5


def _measured_otherwise(agent: Running, program: Path, changes: dict[str, Any]) -> list[Any]:
    """Without `-I`, since a copy of the interpreter must be told where its library is."""
    body = json.dumps(key("aa")).encode().hex()
    with agent.run(program, "-c", ASK, body, **changes) as (started, dialogue):
        said = dialogue.rest()
        assert started.wait() == 0
        return [json.loads(said)]


def test_other_processes_of_the_user_find_no_way_to_the_private_socket(agent: Running) -> None:
    """Neither in the file system nor in the abstract name space: only who inherits it has it."""
    with agent.run("/bin/sh", "-c", "readlink /proc/$$/fd/3; read x") as (_, dialogue):
        inode = dialogue.line().removeprefix("socket:[").removesuffix("]")
        table = Path("/proc/net/unix").read_text().splitlines()
        (row,) = [line.split() for line in table if inode in line.split()]
        assert len(row) == 7  # a name would be the eighth column
