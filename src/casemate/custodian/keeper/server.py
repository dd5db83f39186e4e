"""The keeper's side of the sockets: reads at once, transactions in groups, evidence beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog

from casemate.custodian.keeper.engine import MAX_BATCH, Engine
from casemate.custodian.keeper.messages import error_to, item_to, pack, read, transaction_of
from casemate.custodian.keeper.state import Transaction
from casemate.errors import CasemateError, StoreError

__all__ = ["MAX_EVIDENCE", "KeeperServer"]

_EVENT: Final = 0
"""Number of messages that nobody asked for."""

MAX_EVIDENCE: Final = 64
"""Questions to the platform that wait at once. It takes one after the other, and anybody may ask."""

_T = TypeVar("_T")
Ask = Callable[[tuple[Any, ...]], tuple[Any, ...]]

_log = structlog.get_logger("casemate.custodian")


class KeeperServer:
    """Serves workers. `evidence` answers their questions to the platform, in a thread; `on_failure` hears once the
    engine answers nothing any more.
    """

    def __init__(self, engine: Engine, evidence: Ask, on_failure: Callable[[CasemateError], None]) -> None:
        self._engine = engine
        self._evidence = evidence
        self._on_failure = on_failure
        self._waiting: list[tuple[Transaction, int, asyncio.StreamWriter]] = []
        self._wake = asyncio.Event()
        self._workers: set[asyncio.StreamWriter] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._platform = asyncio.Lock()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: Callable[[], tuple[Any, ...]]
    ) -> None:
        """One worker, until it goes, or sends what is no message: then it alone is let go.

        `hello` is asked at the moment from which on the worker hears every `push`.
        """
        self._workers.add(writer)
        writer.write(pack((_EVENT, hello())))
        try:
            while (message := await read(reader)) is not None:
                self._take(message, writer)
                # A worker that does not take its answers is not read from.
                await writer.drain()
        except ConnectionError:
            pass
        except (StoreError, ValueError, TypeError) as error:
            _log.error("a worker sent no message", error=type(error).__name__)
        finally:
            self._workers.discard(writer)
            writer.close()

    async def commit_forever(self) -> None:
        """Commits what came together. While one commit is flushed, the next group gathers in the sockets."""
        while True:
            await self._wake.wait()
            # Let every socket that is readable now add to this group.
            await asyncio.sleep(0)
            self.commit_waiting()

    def commit_waiting(self) -> None:
        group, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        if not self._waiting:
            self._wake.clear()
        results = self._engine.apply([transaction for transaction, _, _ in group])
        for (_, number, writer), result in zip(group, results, strict=True):
            self._send(writer, number, result, failed=isinstance(result, StoreError))
        self._notice()

    def push(self, event: tuple[Any, ...]) -> None:
        """Tells every worker."""
        for writer in self._workers:
            writer.write(pack((_EVENT, event)))

    async def beside(self, ask: Callable[[], _T]) -> _T:
        """What the platform answers, in a thread, between two questions of workers."""
        async with self._platform:
            return await asyncio.to_thread(ask)

    def _take(self, message: tuple[Any, ...], writer: asyncio.StreamWriter) -> None:
        number, operation, arguments = message
        if operation == "transact":
            self._waiting.append((transaction_of(arguments), number, writer))
            self._wake.set()
        elif operation == "evidence":
            self._ask_platform(writer, number, arguments)
        else:
            self._answer(writer, number, lambda: self._read(operation, arguments))
            self._notice()

    def _answer(self, writer: asyncio.StreamWriter, number: int, find: Callable[[], Any]) -> None:
        try:
            self._send(writer, number, find(), failed=False)
        except CasemateError as error:
            self._send(writer, number, error, failed=True)

    def _send(self, writer: asyncio.StreamWriter, number: int, result: Any, *, failed: bool) -> None:
        told = error_to(result) if failed else result
        writer.write(pack((number, self._engine.now(), not failed, told)))

    def _read(self, operation: str, arguments: Any) -> Any:
        match operation:
            case "get":
                return item_to(self._engine.get(arguments))
            case "range":
                prefix, limit, after, reverse = arguments
                items = self._engine.range(prefix, limit=limit, after=after, reverse=reverse)
                return [item_to(item) for item in items]
            case "spend":
                return self._engine.spend(*arguments)
        raise StoreError("a worker asked for something unknown", step="keeper.operation")

    def _ask_platform(self, writer: asyncio.StreamWriter, number: int, arguments: Any) -> None:
        """The platform takes milliseconds, or does not answer at all: nothing else waits for it."""
        if len(self._asking) >= MAX_EVIDENCE:
            self._send(writer, number, StoreError("the platform is busy", step="keeper.evidence"), failed=True)
            return
        task = asyncio.create_task(self._asked_platform(writer, number, arguments))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked_platform(self, writer: asyncio.StreamWriter, number: int, arguments: Any) -> None:
        try:
            async with self._platform:
                found = await asyncio.to_thread(self._evidence, arguments)
            self._send(writer, number, found, failed=False)
        except CasemateError as error:
            self._send(writer, number, error, failed=True)

    def _notice(self) -> None:
        if self._engine.failed is not None:
            self._on_failure(self._engine.failed)
