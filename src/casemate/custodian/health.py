"""Whether this worker can serve: asked by `/readyz`."""

from __future__ import annotations

import asyncio
from typing import Final

from casemate.custodian.app_context import Custodian
from casemate.custodian.release_floors import FLOORS_KEY
from casemate.errors import CasemateError

__all__ = ["STORE_SECONDS", "ready"]

STORE_SECONDS: Final = 2.0
"""A store that does not answer in this time cannot serve a release either."""

_PROBE_KEY: Final = FLOORS_KEY
"""Any key: that there is an answer is what counts."""


async def ready(custodian: Custodian) -> bool:
    """The store answers, and the instance certificate is one that callers accept now."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await custodian.state.get(_PROBE_KEY)
            now = await custodian.state.now()
    except (CasemateError, OSError, TimeoutError):
        return False
    return custodian.instance.valid_at(now)
