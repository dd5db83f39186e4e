"""A worker process: connects to its keeper, then answers requests."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from casemate.custodian.app_context import OwnEvidence
from casemate.custodian.keeper.remote import RemoteState
from casemate.custodian.keys.identity import Identity
from casemate.custodian.keys.instance import Instance, InstanceSecret
from casemate.custodian.keys.tls import TlsSecret
from casemate.custodian.settings import Settings
from casemate.custodian.workers import Listening, WorkerParts, run_worker
from casemate.custodian.workers_tls import ServerTls
from casemate.endorsements.cache import Cache
from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["work"]

_ENDORSEMENTS: Final = "endorsements"


def work(connection: int, listener: int, data: Path, *, tls: int | None = None) -> None:
    """Serves until SIGTERM, or until the keeper is gone: without it nothing can be recorded. `tls` is the listener of
    those who want that, if there is one.

    Endorsements are looked for in `data`, on the host: the operator fills a folder there (`casemate endorsements
    fetch --cache`).
    """
    with ExitStack() as open_ones:
        keeper, *listeners = (
            open_ones.enter_context(socket.socket(fileno=number))
            for number in (connection, listener, *([] if tls is None else [tls]))
        )
        keeper.setblocking(False)

        async def connect() -> WorkerParts:
            return await _connect(keeper, Cache(data / _ENDORSEMENTS))

        run_worker(Listening(*listeners), connect)


async def _connect(keeper: socket.socket, endorsements: Cache) -> WorkerParts:
    hello: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
    instances: list[Instance] = []
    certificates: list[ServerTls] = []

    def on_event(event: tuple[Any, ...]) -> None:
        if event[0] == "hello":
            hello.set_result(event[1:])
        elif event[0] == "instance" and instances:
            instances[0].replace(InstanceSecret(*event[1:]))
        elif event[0] == "tls" and certificates:
            certificates[0].replace(TlsSecret(*event[1:]))

    state = await RemoteState.connect(keeper, on_event, _end)
    identity, ticket_key, instance, certificate = await hello
    instances.append(Instance(InstanceSecret(*instance)))
    certificates += [ServerTls(TlsSecret(*certificate))] if certificate else []
    return WorkerParts(
        state=state,
        identity=Identity.from_bytes(identity),
        instance=instances[0],
        settings=Settings(),
        evidence_source=_KeeperEvidence(state),
        ticket_key=ticket_key,
        endorsements=endorsements,
        tls=certificates[0] if certificates else None,
    )


class _KeeperEvidence:
    def __init__(self, state: RemoteState) -> None:
        self._state = state

    async def evidence(self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str) -> OwnEvidence:
        evidence, endorsements, manifest = await self._state.evidence((nonce, custodian, signing_key, hpke_key))
        return OwnEvidence(
            evidence=canonical.parse_model(Evidence, canonical.decode(evidence), what="evidence"),
            endorsements=canonical.parse_model(Endorsements, canonical.decode(endorsements), what="endorsements"),
            manifest=manifest,
        )


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
