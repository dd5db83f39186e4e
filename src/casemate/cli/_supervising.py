"""Staying with a launched domain."""

from __future__ import annotations

import signal

from casemate.machine.launch import Started
from casemate.simulator.launch import Launch

__all__ = ["wait"]

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)


def wait(started: Launch | Started) -> int:
    """Passes signals on and waits; the status is the workload's."""
    for number in _PASSED_ON:
        signal.signal(number, lambda n, _frame: started.signal(n))
    with started:
        return started.wait()
