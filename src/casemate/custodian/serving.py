"""The keeper process: owns the state, starts workers, renews the instance key, stops cleanly."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from casemate.custodian.keeper.server import KeeperServer
from casemate.custodian.keys.instance import RENEW_AFTER, InstanceSecret, issue_instance
from casemate.custodian.keys.signers import remembering
from casemate.custodian.keys.tls import TlsSecret, tls_of
from casemate.custodian.opening import Opened
from casemate.custodian.platform_channel import PlatformChannel
from casemate.custodian.record import ChainReader
from casemate.errors import CasemateError, StoreError, UsageError
from casemate.wire import canonical

__all__ = ["Listeners", "listen", "serve", "worker_command"]

_RESTART_SECONDS: Final = (0.1, 0.5, 2.0, 5.0)
"""Before a worker that ended by itself is started again; the last one repeats."""

_STEADY_SECONDS: Final = 60.0
"""A worker that lived that long starts the series anew."""

_STOP_SECONDS: Final = 10.0
"""For a worker to end what it began; then it is killed."""

_HOUSE_SECONDS: Final = 30.0
_LOG_PAUSE_SECONDS: Final = 0.02
"""Between two pages of the audit log, which is read while others are served."""

_BACKLOG: Final = 1024

_log = structlog.get_logger("casemate.custodian")


def listen(address: str, port: int) -> socket.socket:
    """A socket for all workers; `UsageError`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or "no such port"
        raise UsageError(
            f"cannot listen on {address} port {port}: {reason}", remedy="choose another with --port"
        ) from error
    listener.setblocking(False)
    return listener


@dataclass(frozen=True)
class Listeners:
    """Sockets for all workers; `tls` where a certificate of the custodian's is served as well (spec/ra-tls.md)."""

    plain: socket.socket
    tls: socket.socket | None = None


def worker_command(connection: int, listener: int, data: Path, tls: int | None = None) -> list[str]:
    """How a worker is started: the same measured interpreter with the same isolation.

    `data` is the folder on the host.
    """
    isolation = ["-s", "-S", "-P"] if sys.flags.no_site else ["-P"]
    return [
        sys.executable,
        *isolation,
        "-m",
        "casemate.custodian",
        "worker",
        f"--connection={connection}",
        f"--listener={listener}",
        *([] if tls is None else [f"--tls-listener={tls}"]),
        f"--data={data}",
    ]


async def serve(opened: Opened, channel: PlatformChannel, listeners: Listeners, workers: int, data: Path) -> None:
    """Until SIGTERM or SIGINT, or until nothing can be answered any more: then the reason is raised."""
    address, port = listeners.plain.getsockname()[:2]
    tls_port = listeners.tls.getsockname()[1] if listeners.tls is not None else None
    try:
        keeper = _Keeper(opened, channel, data)
        keeper.start(workers, listeners)
        _log.info(
            "serving", address=address, port=port, tls_port=tls_port, workers=workers, identity=opened.identity.identity
        )
        await keeper.until_stopped()
    except BaseException:
        # Not a clean stop: the anchor goes on saying that somebody writes.
        opened.engine.close()
        raise
    opened.engine.stop()


class _Keeper:
    def __init__(self, opened: Opened, channel: PlatformChannel, data: Path) -> None:
        self._opened = opened
        self._data = data
        self._channel = channel
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: set[asyncio.subprocess.Process] = set()
        self._ticket_key = secrets.token_bytes(32)
        self._renew_at = 0.0
        self._instance = self._issue()
        self._certified: InstanceSecret | None = None
        self._tls: TlsSecret | None = None
        self._server = KeeperServer(opened.engine, self._evidence, self._fail)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)

    def start(self, workers: int, listeners: Listeners) -> None:
        if listeners.tls is not None:
            # Without its certificate nobody is served: whoever asked for TLS would get what they did not ask for.
            self._certified, self._tls = self._instance, self._certify(self._instance)
            self._begin(self._keep_certificate())
        self._begin(self._server.commit_forever())
        self._begin(self._keep_house())
        self._begin(self._check_log())
        for _ in range(workers):
            self._begin(self._run_worker(listeners))

    async def until_stopped(self) -> None:
        """Raises what stopped it, unless that was a signal."""
        await self._stopping.wait()
        await self._stop_workers()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def _begin(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """The host changed the store under us, or the anchor is lost: nothing more is answered."""
        if self._failure is None:
            step, got = (error.step, error.got) if isinstance(error, CasemateError) else (None, None)
            _log.error("the custodian cannot go on; stopping", error=type(error).__name__, step=step, got=got)
            self._failure = error
        self._stopping.set()

    async def _keep_house(self) -> None:
        """Twice a minute: time is stored, and the instance key renewed when it is due.

        It is due by the clock that certificates are judged by, not by one that stands still while a machine sleeps.
        """
        engine = self._opened.engine
        while True:
            await asyncio.sleep(_HOUSE_SECONDS)
            try:
                engine.keep_time()
            except StoreError as error:
                if engine.failed is not None:
                    raise
                _log.warning("the time could not be stored", reason=error.message)
            if engine.now() >= self._renew_at:
                self._renew()

    def _renew(self) -> None:
        """The last one holds for half a day more, if the store does not take the next."""
        try:
            self._instance = self._issue()
        except StoreError as error:
            if self._opened.engine.failed is not None:
                raise
            _log.warning("the instance key could not be renewed", reason=error.message)
            return
        self._server.push(("instance", *_instance_message(self._instance)))

    async def _keep_certificate(self) -> None:
        """A new one for each instance. The last one holds for half a day more, if the platform does not answer."""
        while True:
            await asyncio.sleep(_HOUSE_SECONDS)
            instance = self._instance
            if instance is self._certified:
                continue
            try:
                self._tls = await self._server.beside(partial(self._certify, instance))
            except CasemateError as error:
                _log.warning("the certificate could not be renewed", reason=error.message)
                continue
            self._certified = instance
            self._server.push(("tls", *_tls_message(self._tls)))

    async def _check_log(self) -> None:
        """The whole audit log, once, a little at a time: what was taken out of its middle shows here."""
        reader = ChainReader()
        while self._opened.engine.read_log(reader):
            await asyncio.sleep(_LOG_PAUSE_SECONDS)

    async def _run_worker(self, listeners: Listeners) -> None:
        """Keeps one worker running."""
        fast = 0
        while not self._stopping.is_set():
            begin = asyncio.get_running_loop().time()
            status = await self._one_worker(listeners)
            if self._stopping.is_set():
                return
            fast = 0 if asyncio.get_running_loop().time() - begin > _STEADY_SECONDS else fast + 1
            pause = _RESTART_SECONDS[min(fast, len(_RESTART_SECONDS) - 1)]
            _log.warning("a worker ended and is started again", status=status, seconds=pause)
            await asyncio.sleep(pause)

    async def _one_worker(self, listeners: Listeners) -> int | str | None:
        """Its exit status, or why it could not be started."""
        ours, theirs = socket.socketpair()
        plain, tls = listeners.plain.fileno(), None if listeners.tls is None else listeners.tls.fileno()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *worker_command(theirs.fileno(), plain, self._data, tls),
                    pass_fds=(theirs.fileno(), plain, *([] if tls is None else [tls])),
                )
        except OSError as error:
            ours.close()
            return error.strerror
        self._processes.add(process)
        reader, writer = await asyncio.open_connection(sock=ours)
        serving = asyncio.create_task(self._server.serve(reader, writer, self._hello))
        try:
            return await process.wait()
        finally:
            self._processes.discard(process)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _stop_workers(self) -> None:
        processes = [process for process in self._processes if process.returncode is None]
        for process in processes:
            process.terminate()
        ends = asyncio.gather(*(process.wait() for process in processes))
        try:
            await asyncio.wait_for(asyncio.shield(ends), _STOP_SECONDS)
        except TimeoutError:
            for process in processes:
                if process.returncode is None:
                    process.kill()
            await ends

    def _hello(self) -> tuple[Any, ...]:
        tls = () if self._tls is None else _tls_message(self._tls)
        return ("hello", self._opened.identity.to_bytes(), self._ticket_key, _instance_message(self._instance), tls)

    def _issue(self) -> InstanceSecret:
        """Remembered before it signs: who asks for keys later finds it as long as what it signed is good."""
        engine = self._opened.engine
        now = datetime.fromtimestamp(engine.now(), UTC)
        secret = issue_instance(self._opened.identity, now)
        engine.keep(remembering(secret, engine.range, now.timestamp()))
        self._renew_at = (now + RENEW_AFTER).timestamp()
        return secret

    def _certify(self, instance: InstanceSecret) -> TlsSecret:
        return tls_of(self._opened.identity, instance, self._channel.evidence)

    def _evidence(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        nonce, custodian, signing_key, hpke_key = arguments
        found = self._channel.evidence(nonce=nonce, custodian=custodian, signing_key=signing_key, hpke_key=hpke_key)
        return (
            canonical.encode(found.evidence.to_object()),
            canonical.encode(found.endorsements.to_object()),
            found.manifest,
        )


def _tls_message(secret: TlsSecret) -> tuple[Any, ...]:
    return secret.key, secret.certificate


def _instance_message(secret: InstanceSecret) -> tuple[Any, ...]:
    return secret.key, secret.header, secret.not_before, secret.not_after
