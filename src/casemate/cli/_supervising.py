"""Staying with a launched domain."""

from __future__ import annotations

import signal

from casemate.simulator.running import Running

__all__ = ["wait"]

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)


def wait(started: Running) -> int:
    """Passes signals on and waits; the status is the workload's."""
    for number in _PASSED_ON:
        signal.signal(number, lambda n, _frame: started.signal(n))
    with started:
        return started.wait()
