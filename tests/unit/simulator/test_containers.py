"""The socket for containers: who joins is measured by what it executes, under another name than a launch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.verify import Expected, Roots, verify
from casemate.errors import EndorsementError, PlatformError
from casemate.simulator import containers as containers_module
from casemate.simulator import peers as peers_module
from casemate.simulator.containers import Containers
from casemate.simulator.frames import receive, send
from casemate.simulator.launch import measure
from casemate.simulator.peers import Peer
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import b64u_decode

from .conftest import SECONDS, ended

HOST_DATA = bytes(range(32))
JOIN = {"op": "join", "host_data": HOST_DATA.hex()}
REPORT = {"op": "report", "report_data": "ab" * 64}

_JOIN_THEN = f"""
import os, socket, subprocess, sys
from pathlib import Path
from casemate.simulator.frames import receive, send
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
send(connection, {JOIN!r})
assert receive(connection)["event"] == "joined"
connection.set_inheritable(True)
"""


@pytest.fixture
def door(platform: SimulatedPlatform, tmp_path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "platform.sock"
        ready = threading.Event()
        served = Containers(platform, path, on_ready=ready.set)
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        assert ready.wait(SECONDS)
        yield path
        served.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    connection.connect(str(path))
    return connection


def _asked(connection: socket.socket, value: dict[str, Any]) -> dict[str, Any]:
    send(connection, value)
    answer = receive(connection, seconds=SECONDS)
    assert answer is not None
    return answer


def _joined(path: Path) -> socket.socket:
    """Once the connection before was let go."""
    until = time.monotonic() + SECONDS
    while True:
        connection = _connect(path)
        try:
            answer = _asked(connection, JOIN)
        except OSError:  # refused, and gone, before it was asked
            connection.close()
            assert time.monotonic() < until
            continue
        if answer["event"] == "joined":
            return connection
        connection.close()
        assert "joined already" in answer["reason"], answer
        assert time.monotonic() < until


def _script(path: Path, then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _JOIN_THEN + then, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_the_socket_is_for_its_user_alone(door: Path) -> None:
    assert door.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can pose as somebody else")
def test_another_user_cannot_join_even_where_the_socket_is_open(door: Path) -> None:
    door.parent.chmod(0o755)
    door.chmod(0o666)
    os.seteuid(65534)
    try:
        connection = _connect(door)
    finally:
        os.seteuid(0)
    with connection:
        answer = receive(connection, seconds=SECONDS)
    assert answer is not None
    assert answer["reason"] == "only the user that runs this platform may launch and join"


def test_a_process_is_measured_by_what_it_executes_and_never_as_a_launch(door: Path) -> None:
    program = Path(os.path.realpath("/proc/self/exe"))
    with _connect(door) as connection:
        answer = _asked(connection, JOIN)
    assert answer == {"event": "joined", "measurement": measure(program, containers=True)}
    assert answer["measurement"] != measure(program)


def test_its_evidence_is_believed_by_those_who_pinned_this_root_under_its_own_name(
    door: Path, platform: SimulatedPlatform
) -> None:
    with _connect(door) as connection:
        _asked(connection, JOIN)
        answer = _asked(connection, REPORT)
        key = _asked(connection, {"op": "derive_key", "context": "00"})
    assert set(key) == {"key"}
    evidence = Evidence(format="sev-snp-report", report=b64u_decode(answer["report"]))
    endorsements = Endorsements(
        certificates=b64u_decode(answer["certificates"]), crls=[b64u_decode(crl) for crl in answer["crls"]]
    )
    expected = Expected(report_data=b"\xab" * 64, manifest=HOST_DATA)
    root = frozenset({platform.root_fingerprint})

    def name(roots: Roots) -> str:
        return verify(evidence, endorsements, roots=roots, at=datetime.now(UTC), expected=expected).platform

    pinned = Roots(amd=True, simulated_containers=root)
    assert name(pinned) == "simulated-container"
    assert name(replace(pinned, simulated=root)) == "simulated-container"
    with pytest.raises(EndorsementError):
        name(Roots(amd=True))


def test_a_process_joins_once_at_a_time(door: Path) -> None:
    with _joined(door), _connect(door) as second:
        answer = receive(second, seconds=SECONDS)
    assert answer == {"event": "refused", "reason": "this process has joined already"}
    _joined(door).close()


def test_there_is_an_end_to_the_number_of_domains(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers_module, "MAX_DOMAINS", 0)
    with _connect(door) as connection:
        assert receive(connection, seconds=SECONDS) == {"event": "refused", "reason": "too many domains"}


def test_a_process_that_executes_something_else_is_no_longer_the_one_that_joined(door: Path) -> None:
    frame = '{"op":"report","report_data":"' + "ab" * 64 + '"}'
    told = f"printf '\\000\\000\\000\\{len(frame):03o}' >&3; printf '%s' '{frame}' >&3; exec cat <&3"
    then = f"os.dup2(connection.fileno(), 3); os.execv('/bin/sh', ['sh', '-c', {told!r}])"
    told_by = _script(door, then)
    output, _ = told_by.communicate(timeout=SECONDS)
    assert "executes another program" in output


def test_what_a_process_leaves_to_its_children_ends_with_it(door: Path) -> None:
    waiting = "import os, sys; print(os.read(int(sys.argv[1]), 1)); sys.stdout.flush()"
    then = (
        f"subprocess.Popen([sys.executable, '-c', {waiting!r}, str(connection.fileno())], close_fds=False); os._exit(0)"
    )
    process = _script(door, then)
    output, _ = process.communicate(timeout=SECONDS)
    assert output == "b''\n"


def test_a_process_that_ended_before_it_was_looked_at_does_not_join(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener, ExitStack() as keep:
        listener.bind(f"{folder}/s")
        listener.listen()
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{folder}/s')"
        subprocess.run([sys.executable, "-c", code], check=True)
        connection, _ = listener.accept()
        with connection, pytest.raises(PlatformError, match="cannot be looked at"):
            Peer(connection, keep)


def test_an_ended_process_is_not_what_has_its_number_now(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What /proc says of a number counts only while the process behind it lives."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener, ExitStack() as keep:
        listener.bind(f"{folder}/s")
        listener.listen()
        code = f"import socket, time; s = socket.socket(socket.AF_UNIX); s.connect('{folder}/s'); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", code])
        connection, _ = listener.accept()
        with connection:
            peer = Peer(connection, keep)
            process.kill()
            process.wait()
            peer.pid = os.getpid()  # as if the number had been given to this process
            with pytest.raises(PlatformError, match="it has ended"):
                peer.check()


def test_older_kernels_are_asked_by_number(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "_SO_PEERPIDFD", 9999)
    with _connect(door) as connection:
        assert _asked(connection, JOIN)["event"] == "joined"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"op": "report", "report_data": "ab" * 64}, "op"),
        ({"op": "join"}, "host_data"),
        ({"op": "join", "host_data": "AB" * 32}, "host_data"),
        ({**JOIN, "measurement": "sha384:" + "00" * 48}, "measurement"),
        ({**JOIN, "host_data": "0" * 5000}, "too large"),
    ],
)
def test_what_is_no_request_to_join_is_refused(door: Path, value: dict[str, Any], reason: str) -> None:
    with _connect(door) as connection:
        answer = _asked(connection, value)
        assert answer["event"] == "refused"
        assert reason in answer["reason"]
        assert ended(connection)


def test_host_data_is_fixed_for_the_life_of_the_connection(door: Path) -> None:
    with _joined(door) as connection:
        assert "error" in _asked(connection, {"op": "join", "host_data": "00" * 32})
        assert "report" in _asked(connection, REPORT)


@pytest.mark.parametrize("before", [b"", b"\0\0", b"\0\0\0\x60{"])
def test_peers_that_hang_are_let_go(door: Path, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(containers_module, "_FRAME_SECONDS", 0.2)
    with _connect(door) as connection:
        connection.sendall(before)
        answer = receive(connection, seconds=SECONDS)
        assert answer is not None
        assert answer["event"] == "refused"
        assert ended(connection)


def test_a_domain_that_hangs_in_a_frame_or_takes_no_answer_is_let_go(
    door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers_module, "_FRAME_SECONDS", 0.2)
    with _joined(door) as connection:
        connection.sendall(b"\0")
        assert ended(connection)
    with _joined(door) as connection, pytest.raises(OSError, match=r"Broken pipe|reset"):
        _never_reads(connection)


def _never_reads(connection: socket.socket) -> None:
    for _ in range(5000):
        send(connection, REPORT)


def test_no_descriptor_is_left_over(door: Path) -> None:
    def joined_and_gone() -> None:
        with _joined(door) as connection:
            _asked(connection, REPORT)
        with _connect(door) as connection, suppress(OSError):  # refused before it said anything, perhaps
            _asked(connection, {"op": "nonsense"})

    joined_and_gone()
    _joined(door).close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        joined_and_gone()
    until = time.monotonic() + SECONDS
    while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < until:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_joined_loses_its_platform_when_that_stops(platform: SimulatedPlatform, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ready = Path(folder) / "platform.sock", threading.Event()
        served = Containers(platform, path, on_ready=ready.set)
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        assert ready.wait(SECONDS)
        with _joined(path) as connection:
            served.stop()
            assert ended(connection)
        thread.join(SECONDS)
        assert not path.exists()
