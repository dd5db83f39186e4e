"""Housekeeping in the background: leases that ended, decisions beyond what is kept.

Every worker wakes up once a minute; which of them does the work is settled by a nonce of that minute, spent once.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import Final

import structlog

from casemate.custodian.app_context import Custodian
from casemate.custodian.decisions import prefix_of
from casemate.custodian.keeper import Delete, Item
from casemate.custodian.leases import GRACE, LEASES, parse_lease
from casemate.errors import CasemateError

__all__ = ["ROUND_SECONDS", "clean", "run"]

ROUND_SECONDS: Final = 60
_PAGE: Final = 200
"""Entries handled between two breaths of the event loop."""

_log = structlog.get_logger("casemate.custodian")


async def run(custodian: Custodian) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        try:
            now = await custodian.state.now()
            if await _is_mine(custodian, now):
                await clean(custodian, now)
        except (CasemateError, OSError) as error:
            _log.warning("housekeeping failed", reason=str(error))


async def clean(custodian: Custodian, now: datetime) -> None:
    """One round: ended leases go, and each policy's decisions beyond `decisions_kept`."""
    await _drop_leases(custodian, now)
    policies: set[str] = set()
    after: str | None = None
    while page := await custodian.state.range("names/", limit=_PAGE, after=after):
        policies.update(item.value.decode("ascii") for item in page)
        after = page[-1].key
    for genesis in policies:
        await _drop_decisions(custodian, genesis)


async def _is_mine(custodian: Custodian, now: datetime) -> bool:
    minute = int(now.timestamp()) // ROUND_SECONDS
    nonce = hashlib.sha256(b"casemate/housekeeping/%d" % minute).digest()
    return await custodian.state.spend(nonce, (minute + 2) * ROUND_SECONDS)


async def _drop_leases(custodian: Custodian, now: datetime) -> None:
    after: str | None = None
    while page := await custodian.state.range(LEASES, limit=_PAGE, after=after):
        after = page[-1].key
        ended = [item for item in page if parse_lease(item).ends + GRACE <= now]
        await _delete(custodian, ended)


async def _drop_decisions(custodian: Custodian, genesis: str) -> None:
    prefix = prefix_of(genesis)
    seen, after = 0, None
    while page := await custodian.state.range(prefix, limit=_PAGE, after=after, reverse=True):
        after = page[-1].key
        over = page[max(0, custodian.settings.decisions_kept - seen) :]
        seen += len(page)
        await _delete(custodian, over)


async def _delete(custodian: Custodian, items: list[Item]) -> None:
    if items:
        # Unconditional: a lease that ended is never renewed, a decision never changes.
        await custodian.state.transact([], [Delete(item.key) for item in items], None)
    await asyncio.sleep(0)
