"""The keeper process: owns the state, starts workers, renews the instance key, stops cleanly."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from casemate.custodian.keeper.server import KeeperServer
from casemate.custodian.keys.instance import RENEW_AFTER, InstanceSecret, issue_instance
from casemate.custodian.opening import Opened
from casemate.custodian.platform_channel import PlatformChannel
from casemate.errors import CasemateError, UsageError
from casemate.wire import canonical

__all__ = ["serve", "worker_command"]

_RESTART_SECONDS: Final = (0.1, 0.5, 2.0, 5.0)
"""Before a worker that ended by itself is started again; the last one repeats."""

_STEADY_SECONDS: Final = 60.0
"""A worker that lived that long starts the series anew."""

_log = structlog.get_logger("casemate.custodian")


def worker_command(connection: int, listener: int) -> list[str]:
    """How a worker is started: the same measured interpreter with the same isolation."""
    isolation = ["-s", "-S", "-P"] if sys.flags.no_site else ["-P"]
    return [
        sys.executable,
        *isolation,
        "-m",
        "casemate.custodian",
        "worker",
        f"--connection={connection}",
        f"--listener={listener}",
    ]


async def serve(opened: Opened, channel: PlatformChannel, address: str, port: int, workers: int) -> None:
    """Until SIGTERM or SIGINT, or until the store turns out to be tampered with."""
    keeper = _Keeper(opened, channel)
    listener = _listen(address, port)
    with listener:
        tasks = [asyncio.create_task(keeper.server.commit_forever()), asyncio.create_task(keeper.renew_forever())]
        tasks += [asyncio.create_task(keeper.run_worker(listener)) for _ in range(workers)]
        _log.info("serving", address=address, port=port, workers=workers, identity=opened.identity.identity)
        try:
            await keeper.until_stopped(tasks)
        finally:
            await keeper.stop_workers()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            keeper.server.commit_waiting()
            opened.engine.stop()
    keeper.raise_failure()


class _Keeper:
    def __init__(self, opened: Opened, channel: PlatformChannel) -> None:
        self._opened = opened
        self._channel = channel
        self._stopping = asyncio.Event()
        self._failure: CasemateError | None = None
        self._processes: set[asyncio.subprocess.Process] = set()
        self._ticket_key = secrets.token_bytes(32)
        self._instance = self._issue()
        self.server = KeeperServer(opened.engine, self._evidence, self._fail)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)

    async def until_stopped(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    async def renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_AFTER.total_seconds())
            self._instance = self._issue()
            self.server.push(("instance", *_instance_message(self._instance)))

    async def run_worker(self, listener: socket.socket) -> None:
        """Keeps one worker running."""
        fast = 0
        while not self._stopping.is_set():
            begin = asyncio.get_running_loop().time()
            status = await self._one_worker(listener)
            if self._stopping.is_set():
                return
            fast = 0 if asyncio.get_running_loop().time() - begin > _STEADY_SECONDS else fast + 1
            pause = _RESTART_SECONDS[min(fast, len(_RESTART_SECONDS) - 1)]
            _log.warning("a worker ended and is started again", status=status, seconds=pause)
            await asyncio.sleep(pause)

    async def stop_workers(self) -> None:
        self._stopping.set()
        for process in list(self._processes):
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(process.wait() for process in list(self._processes)))

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _one_worker(self, listener: socket.socket) -> int:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *worker_command(theirs.fileno(), listener.fileno()), pass_fds=(theirs.fileno(), listener.fileno())
            )
        self._processes.add(process)
        reader, writer = await asyncio.open_connection(sock=ours)
        serving = asyncio.create_task(self.server.serve(reader, writer, self._hello()))
        try:
            return await process.wait()
        finally:
            self._processes.discard(process)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def _hello(self) -> tuple[Any, ...]:
        return ("hello", self._opened.identity.to_bytes(), self._ticket_key, *_instance_message(self._instance))

    def _issue(self) -> InstanceSecret:
        return issue_instance(self._opened.identity, datetime.fromtimestamp(self._opened.engine.now(), UTC))

    def _evidence(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        nonce, custodian, signing_key, hpke_key = arguments
        found = self._channel.evidence(nonce=nonce, custodian=custodian, signing_key=signing_key, hpke_key=hpke_key)
        return (
            canonical.encode(found.evidence.to_object()),
            canonical.encode(found.endorsements.to_object()),
            found.manifest,
        )

    def _fail(self, error: CasemateError) -> None:
        """The host changed the store under us: nothing more is answered from it."""
        _log.error("the store was tampered with; stopping", step=error.step, got=error.got)
        self._failure = error
        self._stopping.set()


def _instance_message(secret: InstanceSecret) -> tuple[Any, ...]:
    return secret.key, secret.header, secret.not_before, secret.not_after


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {address} port {port}: {error.strerror}", remedy="choose another with --port"
        ) from error
    listener.setblocking(False)
    return listener
