"""Leases: what the policy no longer admits stops; what it admits goes on, whatever the custodian goes through."""

from __future__ import annotations

import signal

import httpx

from casemate.testing.stage import wait_for

from .conftest import Installation, Policy

ENDED, REVOKED = 71, 72
FOREVER = "trap 'echo told to stop; exit 0' TERM; echo up; while :; do sleep 1 & wait; done"


def _policy(installation: Installation, lease: str) -> Policy:
    policy = installation.policy()
    policy.shell(lease=lease)
    policy.submit()
    return policy


def test_an_update_that_no_longer_admits_a_workload_stops_it(installation: Installation) -> None:
    policy = _policy(installation, "5s")
    running = policy.start(FOREVER)
    running.says("up")
    policy.document["services"]["sh"]["runtime"] = {"measurement": "sha384:" + "0" * 96}
    policy.submit()
    assert running.end() == REVOKED
    assert "told to stop" in running.output, "it is asked first"
    assert "the custodian revoked the lease" in running.output


def test_an_update_that_still_admits_a_workload_does_not_disturb_it(installation: Installation) -> None:
    policy = _policy(installation, "5s")
    running = policy.start(FOREVER)
    running.says("up")
    policy.document["services"]["other"] = policy.document["services"]["sh"]
    policy.submit()
    before = _renewals(installation)  # one more may have been decided before the update, two may not
    wait_for("a renewal under the new version", lambda: _renewals(installation) > before + 1, seconds=50)
    assert running.process.poll() is None
    assert running.end(signal.SIGTERM) == 0


def test_a_workload_that_nobody_renews_stops_before_its_lease_is_over(installation: Installation) -> None:
    policy = _policy(installation, "5s")
    running = policy.start(FOREVER)
    running.says("up")
    with installation.away():
        assert running.end() == ENDED
    assert "told to stop" in running.output
    assert "the lease ended and no custodian renewed it" in running.output


def test_a_custodian_that_is_restarted_between_renewals_disturbs_nobody(installation: Installation) -> None:
    policy = _policy(installation, "30s")
    running = policy.start(FOREVER)
    running.says("up")
    with installation.away():
        pass
    wait_for("a renewal by the restarted one", lambda: _renewals(installation) > 0, seconds=50)
    assert running.process.poll() is None
    assert running.end(signal.SIGTERM) == 0


def _renewals(installation: Installation) -> int:
    """Since the custodian was started."""
    text = httpx.get(f"http://127.0.0.1:{installation.port}/metrics", trust_env=False, timeout=10).text
    counts = [line.rsplit(" ", 1)[1] for line in text.splitlines() if 'decisions_total{outcome="renewed"}' in line]
    return int(sum(map(float, counts)))
