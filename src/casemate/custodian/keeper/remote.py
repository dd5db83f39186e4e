"""A worker's side of its socket to the keeper."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from casemate.custodian.keeper.messages import error_of, item_of, pack, read, transaction_to
from casemate.custodian.keeper.state import Change, Compare, Item, Transaction
from casemate.custodian.record import AuditEntry
from casemate.errors import StoreError

__all__ = ["RemoteState"]

_log = structlog.get_logger("casemate.custodian")


class RemoteState:
    """A `State` over the socket. `on_event` hears what the keeper tells by itself; `on_end` that it is gone."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_event: Callable[[tuple[Any, ...]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._on_end = on_end
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._floor = 0.0
        self._ended: StoreError | None = None
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def connect(
        cls, connection: socket.socket, on_event: Callable[[tuple[Any, ...]], None], on_end: Callable[[], None]
    ) -> RemoteState:
        reader, writer = await asyncio.open_connection(sock=connection)
        return cls(reader, writer, on_event, on_end)

    async def get(self, key: str) -> Item | None:
        return item_of(await self._ask("get", key))

    async def range(self, prefix: str, *, limit: int, after: str | None = None, reverse: bool = False) -> list[Item]:
        return [Item(*item) for item in await self._ask("range", (prefix, limit, after, reverse))]

    async def transact(self, compare: Sequence[Compare], changes: Sequence[Change], record: AuditEntry | None) -> int:
        revision: int = await self._ask("transact", transaction_to(Transaction(compare, changes, record)))
        return revision

    async def spend(self, nonce: bytes, until: float) -> bool:
        fresh: bool = await self._ask("spend", (nonce, until))
        return fresh

    async def now(self) -> datetime:
        """The keeper's time goes with each of its answers."""
        self._floor = max(self._floor, time.time())
        return datetime.fromtimestamp(self._floor, UTC)

    async def evidence(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The keeper's answer from the platform channel."""
        answer: tuple[Any, ...] = await self._ask("evidence", arguments)
        return answer

    async def _ask(self, operation: str, arguments: Any) -> Any:
        if self._ended is not None:
            raise self._ended
        number = next(self._numbers)
        frame = pack((number, operation, arguments))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._writer.write(frame)
        try:
            return await future
        finally:
            self._asked.pop(number, None)

    async def _listen(self) -> None:
        try:
            while (message := await read(self._reader)) is not None:
                self._take(message)
        except (StoreError, ValueError, TypeError) as error:
            _log.error("the keeper sent no message", error=type(error).__name__)
        finally:
            # However it ends: nobody waits for an answer that never comes.
            self._end()

    def _take(self, message: tuple[Any, ...]) -> None:
        if message[0] == 0:
            self._on_event(message[1])
            return
        number, floor, held, result = message
        self._floor = max(self._floor, floor)
        future = self._asked.get(number)
        if future is None or future.done():
            return
        if held:
            future.set_result(result)
        else:
            future.set_exception(error_of(result))

    def _end(self) -> None:
        self._ended = StoreError("the keeper is gone", step="keeper.gone")
        for future in self._asked.values():
            if not future.done():
                future.set_exception(self._ended)
        self._writer.close()
        self._on_end()
