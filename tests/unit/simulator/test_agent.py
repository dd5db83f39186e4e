"""The control socket: who may launch, what is refused and leaves nothing behind, how launches end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from casemate.errors import PlatformError
from casemate.simulator import agent as agent_module
from casemate.simulator import domain as domain_module
from casemate.simulator.agent import Agent
from casemate.simulator.frames import receive, send
from casemate.simulator.launch import answers, launch
from casemate.simulator.pki import SimulatedPlatform

from .conftest import SECONDS, Running, Starter, ended, refused, request, watched


def test_the_control_socket_is_for_its_user_alone(agent: Running) -> None:
    status = agent.path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can pose as somebody else")
def test_another_user_cannot_launch_even_where_the_socket_is_open(start: Starter) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        agent = start(Path(folder) / "agent.sock")
        agent.path.chmod(0o666)
        os.seteuid(65534)
        try:
            reason = agent.refusal(request())
        finally:
            os.seteuid(0)
        assert reason == "only the user that runs this platform may launch and join"
        agent.stop()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"op": "report"}, "op"),
        ({"op": ...}, "op"),
        ({"shield": "relative"}, "shield"),
        ({"shield": "/a\0b"}, "shield"),
        ({"shield": ...}, "shield"),
        ({"host_data": "00" * 31}, "host_data"),
        ({"host_data": "AA" * 32}, "host_data"),
        ({"host_data": 5}, "host_data"),
        ({"arguments": ["x"] * 65}, "arguments"),
        ({"arguments": ["a\0b"]}, "arguments"),
        ({"arguments": "x"}, "arguments"),
        ({"environment": {"A=B": "x"}}, "environment"),
        ({"environment": {str(number): "" for number in range(257)}}, "environment"),
        ({"measurement": "00" * 48}, "measurement"),
    ],
)
def test_requests_of_another_form_are_refused(agent: Running, changes: dict[str, Any], reason: str) -> None:
    assert f"launch: {reason}" in agent.refusal(request(**changes))
    with agent.launch("/bin/true") as started:
        assert started.wait() == 0


@pytest.mark.parametrize("count", [0, 1, 3, 5, 8, 9, 60])
def test_a_launch_with_another_number_of_descriptors_is_refused(agent: Running, count: int) -> None:
    assert agent.refusal(request(), count) == "wrong number of descriptors"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "too large"),
        (b"\0\0\0\x02[]", "not a JSON object"),
        (b"\0\0\0\x02{]", "not JSON"),
        (b"\0\0\0\x09{}", "ends early"),
        (b"GET / HTTP/1.1\r\n\r\n", "too large"),
    ],
)
def test_frames_of_another_form_are_refused_and_their_descriptors_closed(
    agent: Running, data: bytes, reason: str
) -> None:
    with watched() as descriptor, agent.connect() as connection:
        socket.send_fds(connection, [data], [descriptor] * 4)
        connection.shutdown(socket.SHUT_WR)
        event = receive(connection, seconds=SECONDS)
        assert event is not None
        assert reason in event["reason"]
        assert ended(connection)


def test_who_asks_for_nothing_gets_nothing(agent: Running) -> None:
    with agent.connect() as connection:
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, seconds=SECONDS) is None


def test_a_slow_client_is_refused_and_holds_up_nobody(agent: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_REQUEST_SECONDS", 0.05)
    with agent.connect() as slow:
        slow.sendall(b"\0\0")
        with agent.launch("/bin/true") as started:
            assert started.wait() == 0
        event = receive(slow, seconds=SECONDS)
        assert event == {"event": "refused", "reason": "timed out"}


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 255", 255)])
def test_the_end_is_told_as_a_shell_tells_it(agent: Running, script: str, status: int) -> None:
    with agent.launch("/bin/sh", "-c", script) as started:
        assert started.wait() == status


def test_signals_are_passed_on_and_others_ignored(agent: Running) -> None:
    script = "trap 'echo got USR1' USR1; trap 'echo got TERM; exit 3' TERM; echo up; while :; do read x; done"
    with agent.run("/bin/sh", "-c", script) as (started, dialogue):
        assert dialogue.line() == "up"
        for number in (signal.SIGKILL, signal.SIGSEGV, 64, 0, -1, 2**40):
            started.signal(number)
        started.signal(signal.SIGUSR1)
        assert dialogue.line() == "got USR1"
        started.signal(signal.SIGTERM)
        assert dialogue.rest() == b"got TERM\n"
        assert started.wait() == 3


def test_a_signal_after_the_end_does_no_harm(agent: Running) -> None:
    with agent.launch("/bin/true") as started:
        assert receive(started._connection) == {"event": "exited", "status": 0}
        assert receive(started._connection) is None
        started.signal(signal.SIGTERM)


def test_a_client_that_leaves_ends_its_domain(agent: Running) -> None:
    with agent.run("/bin/sh", "-c", "trap 'echo bye; exit' TERM; echo up; while :; do read x; done") as run:
        started, dialogue = run
        assert dialogue.line() == "up"
        started.close()
        assert dialogue.rest() == b"bye\n"


def test_a_domain_that_does_not_go_is_killed(agent: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_module, "_GRACE_SECONDS", 0.1)
    with agent.run("/bin/sh", "-c", "trap '' TERM; echo up; while :; do read x; done") as (started, dialogue):
        assert dialogue.line() == "up"
        started.close()
        assert dialogue.rest() == b""  # all ends of the pipe are closed: it is gone


def test_a_stop_ends_all_that_was_launched(agent: Running) -> None:
    launched = [agent.launch("/bin/sleep", "1000") for _ in range(3)]
    agent.stop()
    assert not any(Path(f"/proc/{started.pid}").exists() for started in launched)
    assert [started.wait() for started in launched] == [143] * 3
    assert not agent.path.exists()


def test_a_stop_ends_what_is_just_being_launched(agent: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, genuine = threading.Event(), threading.Event(), domain_module.launch_domain

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(SECONDS)
        return genuine(*arguments)

    monkeypatch.setattr(agent_module, "launch_domain", slow)
    with agent.connect() as connection:
        send(connection, request("/bin/sleep", arguments=["1000"]), (2, 2, 2, 2))
        assert begun.wait(SECONDS)
        agent.agent.stop()
        go_on.set()
        started = receive(connection, seconds=SECONDS)
        assert started is not None
        assert receive(connection, seconds=SECONDS) == {"event": "exited", "signal": signal.SIGTERM}
        agent.stop()
        assert not Path(f"/proc/{started['pid']}").exists()


def test_half_a_frame_does_not_keep_the_agent_from_stopping(agent: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_module, "_FRAME_SECONDS", 0.05)
    with agent.launch("/bin/sleep", "1000") as started:
        started._connection.sendall(b"\0\0")
        agent.stop()


def test_a_frame_that_is_no_signal_ends_the_domain(agent: Running) -> None:
    with agent.run("/bin/sh", "-c", "trap 'echo bye; exit' TERM; echo up; while :; do read x; done") as run:
        started, dialogue = run
        assert dialogue.line() == "up"
        send(started._connection, {"op": "signal", "signal": "15"})
        assert dialogue.rest() == b"bye\n"


def test_a_second_agent_at_one_place_is_refused(agent: Running, platform: SimulatedPlatform) -> None:
    assert refused(Agent(platform, agent.path)).message == "the simulated platform runs already"
    with agent.launch("/bin/true") as started:
        assert started.wait() == 0


def test_a_socket_that_was_left_behind_is_replaced(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with start(path).launch("/bin/true") as started:
        assert started.wait() == 0


def test_what_is_no_socket_is_not_replaced(platform: SimulatedPlatform, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("somebody's")
    assert "Address already in use" in refused(Agent(platform, path)).message
    assert path.read_text() == "somebody's"


def test_paths_longer_than_a_socket_address_work(start: Starter, tmp_path: Path) -> None:
    agent = start(tmp_path / ("d" * 120) / "agent.sock")
    assert answers(agent.path)
    with agent.launch("/bin/true") as started:
        assert started.wait() == 0


def test_without_an_agent_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    for path in (tmp_path / "agent.sock", tmp_path / "no" / "folder", tmp_path):
        assert not answers(path)
        with pytest.raises(PlatformError, match="no platform answers") as error:
            launch(path, shield=path, host_data=b"", bundle=b"", arguments=[], environment={}, stdio=(0, 1, 2))
        assert "casemate platform simulate" in str(error.value.remedy)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no platform"),
        (b"\0\0\0\x02{}", "no platform"),
        (b"\0\0\0\x02[]", "no platform"),
        (b'\0\0\0\x2b{"event":"started","pid":1,"measurement":2}', "no platform"),
    ],
)
def test_something_else_behind_the_socket_is_noticed(tmp_path: Path, answer: bytes, reason: str) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(PlatformError, match=reason):
            launch(path, shield=path, host_data=b"", bundle=b"", arguments=[], environment={}, stdio=(2, 2, 2))
        server.join()


@pytest.mark.parametrize("pace", [None, 0.02], ids=["nothing", "a byte at a time"])
def test_an_agent_that_hangs_is_not_waited_for(tmp_path: Path, pace: float | None) -> None:
    path = tmp_path / "agent.sock"
    told = b'\0\0\0\x3a{"event":"started","pid":1,"measurement":"sha384:0000000"}'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            """All of the answer takes far longer than it may, the next byte never does."""
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                for byte in told if pace else b"":
                    connection.sendall(bytes([byte]))
                    time.sleep(pace or 0)
                while connection.recv(65536):
                    pass

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(PlatformError, match="does not answer") as error:
            _launch_at(path)
        assert (error.value.step, error.value.got) == ("platform.launch", "nothing in 0.2 s")
        server.join()


def test_an_agent_that_lets_nobody_in_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first_in_the_queue:
        listener.bind(str(path))
        listener.listen(0)
        first_in_the_queue.connect(str(path))
        with pytest.raises(PlatformError, match="no platform answers") as error:
            _launch_at(path)
        assert "nobody lets us in" in str(error.value.got)


def _launch_at(path: Path) -> None:
    launch(path, shield=path, host_data=b"", bundle=b"", arguments=[], environment={}, stdio=(2, 2, 2), seconds=0.2)
