"""One launched domain: its process, its measurement, its private socket."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from casemate.errors import CasemateError
from casemate.simulator.frames import receive, send
from casemate.simulator.hostile import Hostile
from casemate.simulator.identity import Identity, try_error
from casemate.simulator.measure import measurement_of, sealed_copy
from casemate.simulator.pki import SimulatedPlatform
from casemate.simulator.process import Process, spawn
from casemate.wire import canonical
from casemate.wire.fields import Model

__all__ = ["Domain", "LaunchRequest", "launch_domain"]

_GRACE_SECONDS: Final = 10.0
_FRAME_SECONDS: Final = 5.0
"""How long a client may take over one frame: a half one must not keep the domain's end from being told."""

_SIGNALS: Final = frozenset({1, 2, 3, 10, 12, 15, 28})
_log = structlog.get_logger("casemate.platform")


class LaunchRequest(Model):
    """`host_data` is the manifest's digest, fixed for the life of the domain."""

    op: Literal["launch"]
    host_data: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    shield: Annotated[str, Field(pattern=r"^/[^\x00]{1,4094}$")]
    arguments: Annotated[list[Annotated[str, Field(pattern=r"^[^\x00]*$")]], Field(max_length=64)]
    environment: Annotated[
        dict[Annotated[str, Field(pattern=r"^[^=\x00]+$")], Annotated[str, Field(pattern=r"^[^\x00]*$")]],
        Field(max_length=256),
    ]


class _SignalRequest(Model):
    op: Literal["signal"]
    signal: int


def launch_domain(
    platform: SimulatedPlatform, hostile: Hostile | None, request: LaunchRequest, descriptors: Sequence[int]
) -> Domain:
    """Copies, seals, measures, fixes HOST_DATA, starts. `descriptors`: standard ones and the bundle; the caller's."""
    begin = time.monotonic()
    with ExitStack() as undo:
        copy = sealed_copy(Path(request.shield))
        undo.callback(os.close, copy)
        measurement = measurement_of(copy)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            undo.enter_context(ours)
            stdin, stdout, stderr, bundle = descriptors
            process = spawn(
                copy,
                [request.shield, *request.arguments],
                request.environment,
                (stdin, stdout, stderr, theirs.fileno(), bundle),
            )
        undo.pop_all()
        os.close(copy)
    identity = Identity(platform, hostile, measurement, bytes.fromhex(request.host_data))
    domain = Domain(process, ours, identity)
    threading.Thread(target=domain.answer, daemon=True).start()
    _log.info(
        "launched",
        pid=process.pid,
        measurement=identity.measurement_text[:23],
        host_data=request.host_data[:16],
        hostile=hostile.value if hostile else None,
        ms=round((time.monotonic() - begin) * 1000, 1),
    )
    return domain


class Domain:
    """A running domain. Compared by identity."""

    def __init__(
        self,
        process: Process,
        private: socket.socket,
        identity: Identity,
    ) -> None:
        self._process = process
        self._private = private
        self._identity = identity
        self._stopping = threading.Lock()
        self.ended = threading.Event()

    def answer(self) -> None:
        """Answers the domain's own requests until it closes its socket."""
        with self._private:
            while True:
                try:
                    request = receive(self._private)
                    if request is None:
                        return
                    send(self._private, self._identity.answer(request))
                except CasemateError as error:
                    if not try_error(self._private, error):
                        return
                except OSError:
                    return

    def supervise(self, connection: socket.socket) -> None:
        """Tells the client what happens, passes its signals on, ends the domain when the client goes."""
        try:
            send(
                connection,
                {"event": "started", "pid": self._process.pid, "measurement": self._identity.measurement_text},
            )
            self._relay(connection)
        except (OSError, CasemateError):
            pass
        finally:
            self.stop()
            self._process.close()
            self.ended.set()

    def stop(self) -> None:
        """SIGTERM, and after ten seconds SIGKILL; once, whoever asks."""
        with self._stopping:
            if self._process.wait(0) is None:
                self._process.send_signal(signal.SIGTERM)
                if self._process.wait(_GRACE_SECONDS) is None:
                    self._process.send_signal(signal.SIGKILL)
                    self._process.wait()

    def _relay(self, connection: socket.socket) -> None:
        ended, poll = self._process.descriptor, select.poll()  # select() takes no number over 1,023
        for descriptor in (connection.fileno(), ended):
            poll.register(descriptor, select.POLLIN)
        while True:
            if ended in (ready for ready, _ in poll.poll()):
                code = self._process.wait()
                assert code is not None
                send(connection, {"event": "exited", **_ending(code)})
                return
            request = receive(connection, seconds=_FRAME_SECONDS)
            if request is None:
                return
            asked = canonical.parse_model(_SignalRequest, request, what="signal")
            if asked.signal in _SIGNALS:
                self._process.send_signal(asked.signal)


def _ending(code: int) -> dict[str, int]:
    return {"signal": -code} if code < 0 else {"status": code}
