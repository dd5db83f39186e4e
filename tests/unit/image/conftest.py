"""What several tests of images need."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

_SECONDS = 20


@pytest.fixture
def soon() -> Iterator[None]:
    """A test that waits for a pipe, or reads what has no end, fails instead."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"not done after {_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
