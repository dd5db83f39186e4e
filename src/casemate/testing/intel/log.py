"""Event logs of trust domains, and the registers that they lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from casemate.testing.tpm.log import Record, written

__all__ = ["event_log", "registers"]

_EVENT: Final = 5
_BANKS: Final = ("sha384",)


def event_log(contents: Sequence[bytes], first: int = 1) -> bytes:
    """One record a register, RTMR0 first, which is register 1."""
    records = [Record(number, _EVENT, content, banks=_BANKS) for number, content in enumerate(contents, first)]
    return written(records, _BANKS)


def registers(contents: Sequence[bytes]) -> dict[str, bytes]:
    """By name: each extended once."""
    return {
        f"rtmr{number}": hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).digest()
        for number, content in enumerate(contents)
    }
