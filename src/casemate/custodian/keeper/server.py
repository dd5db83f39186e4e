"""The keeper's side of the sockets: reads at once, transactions in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from casemate.custodian.keeper.engine import MAX_BATCH, Engine
from casemate.custodian.keeper.messages import error_to, item_to, pack, read, transaction_of
from casemate.custodian.keeper.state import Transaction
from casemate.errors import CasemateError, StoreError, StoreTamperedError

__all__ = ["KeeperServer"]

_EVENT: Final = 0
"""Number of messages that nobody asked for."""

Ask = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class KeeperServer:
    """Serves workers. `evidence` answers their questions to the platform; `on_failure` hears of a store that broke."""

    def __init__(self, engine: Engine, evidence: Ask, on_failure: Callable[[CasemateError], None]) -> None:
        self._engine = engine
        self._evidence = evidence
        self._on_failure = on_failure
        self._waiting: list[tuple[Transaction, int, asyncio.StreamWriter]] = []
        self._wake = asyncio.Event()
        self._workers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: tuple[Any, ...]) -> None:
        """One worker, until it goes."""
        self._workers.add(writer)
        writer.write(pack((_EVENT, hello)))
        try:
            while (message := await read(reader)) is not None:
                number, operation, arguments = message
                if operation == "transact":
                    self._waiting.append((transaction_of(arguments), number, writer))
                    self._wake.set()
                else:
                    writer.write(pack(self._answer(number, operation, arguments)))
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
            if isinstance(result, int):
                writer.write(pack((number, self._engine.now(), True, result)))
            else:
                self._notice(result)
                writer.write(pack((number, self._engine.now(), False, error_to(result))))

    def push(self, event: tuple[Any, ...]) -> None:
        """Tells every worker."""
        for writer in self._workers:
            writer.write(pack((_EVENT, event)))

    def _answer(self, number: int, operation: str, arguments: Any) -> tuple[Any, ...]:
        now = self._engine.now()
        try:
            return number, now, True, self._read(operation, arguments)
        except StoreError as error:
            self._notice(error)
            return number, now, False, error_to(error)
        except CasemateError as error:
            return number, now, False, ("StoreError", error.message, error.step, error.got, error.remedy)

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
            case "evidence":
                return self._evidence(arguments)
        raise StoreError("a worker asked for something unknown", step="keeper.operation")

    def _notice(self, error: StoreError) -> None:
        if isinstance(error, StoreTamperedError):
            self._on_failure(error)
