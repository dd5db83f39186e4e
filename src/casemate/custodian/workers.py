"""One worker process: uvicorn on a socket that the parent opened, with the service on it.

Logs are JSON lines on standard error: events of the custodian, never requests, bodies or keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from casemate.custodian.app import create_app
from casemate.custodian.app_context import EvidenceSource, InstanceKeys
from casemate.custodian.keeper import State
from casemate.custodian.keys import Identity
from casemate.custodian.settings import Settings
from casemate.custodian.workers_connections import Places
from casemate.custodian.workers_doors import PlacedServer
from casemate.custodian.workers_http import BoundedProtocol, in_pieces
from casemate.custodian.workers_janitor import run as keep_house
from casemate.custodian.workers_tls import ServerTls
from casemate.endorsements.cache import Cache

__all__ = ["Listening", "WorkerParts", "configure_logging", "run_worker", "serve", "servers_of"]

KEEP_ALIVE_SECONDS: Final = 30
"""Between two requests of one connection: shields ask twice within milliseconds, people seldom."""

GRACE_SECONDS: Final = 5
"""For requests that are under way when the worker is asked to stop."""


@dataclass(frozen=True)
class Listening:
    """Sockets that the parent opened; `tls` where it serves that as well."""

    plain: socket.socket
    tls: socket.socket | None = None


class WorkerParts:
    """What the parent gives a worker, already connected in this process."""

    def __init__(
        self,
        state: State,
        identity: Identity,
        instance: InstanceKeys,
        settings: Settings,
        evidence_source: EvidenceSource,
        ticket_key: bytes,
        endorsements: Cache,
        tls: ServerTls | None = None,
    ) -> None:
        self.state = state
        self.identity = identity
        self.instance = instance
        self.settings = settings
        self.evidence_source = evidence_source
        self.ticket_key = ticket_key
        self.endorsements = endorsements
        self.tls = tls


def run_worker(listening: Listening, connect: Callable[[], Coroutine[Any, Any, WorkerParts]]) -> None:
    """Serve until SIGTERM. `connect` runs inside the worker's event loop and brings the parts."""
    configure_logging()
    uvloop.run(_run(listening, connect))


async def _run(listening: Listening, connect: Callable[[], Coroutine[Any, Any, WorkerParts]]) -> None:
    await serve(listening, await connect())


async def serve(listening: Listening, parts: WorkerParts) -> None:
    """The service, until the process is asked to stop."""
    app = create_app(
        parts.state,
        parts.identity,
        parts.instance,
        parts.settings,
        parts.evidence_source,
        ticket_key=parts.ticket_key,
        endorsements=parts.endorsements,
    )
    sockets = [listening.plain, *([] if listening.tls is None else [listening.tls])]
    servers = servers_of(app, parts.settings, None if listening.tls is None else parts.tls)
    house = asyncio.create_task(keep_house(app.state.custodian))
    try:
        await asyncio.gather(*(server.serve(sockets=[one]) for server, one in zip(servers, sockets, strict=True)))
    finally:
        house.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await house


def servers_of(app: FastAPI, settings: Settings, tls: ServerTls | None) -> list[PlacedServer]:
    """For the port in the clear, and for TLS where there is a certificate. Both count their connections together:
    whoever fills one port cannot hold as many again on the other.
    """
    places = Places(settings.max_connections)
    contexts = [None, *([] if tls is None else [tls.context])]
    return [PlacedServer(_uvicorn_config(app), places, context) for context in contexts]


def _uvicorn_config(app: FastAPI) -> uvicorn.Config:
    """No access log (who asks for what is nobody's business), no WebSockets, bounded connections."""
    return uvicorn.Config(
        in_pieces(app),
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def configure_logging() -> None:
    """JSON lines on standard error, from this package and from the libraries below it (warnings and worse)."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True
    )
