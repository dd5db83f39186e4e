"""Prometheus metrics, added up over the workers.

Workers are separate processes and a scrape reaches any one of them. prometheus-client's own multi-process mode keeps
each worker's values in a memory-mapped file of a folder they share (the domain's tmpfs), and a scrape adds them up:
no extra hop for each request, and nothing of ours that could count wrongly. The folder is named by
PROMETHEUS_MULTIPROC_DIR, which the library reads when it is first imported. Labels come from closed sets only.
"""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["METRICS_TYPE", "Metrics"]

METRICS_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The custodian's counters."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "casemate_requests_total", "Answers, by route and status", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "casemate_request_seconds", "Time to answer", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self._decisions = Counter(
            "casemate_decisions_total", "Decisions on verified evidence", ("outcome",), registry=self._registry
        )
        self._unverified = Counter(
            "casemate_evidence_refused_total",
            "Evidence that did not verify, by step",
            ("step",),
            registry=self._registry,
        )
        self._certificate = Gauge(
            "casemate_certificate_expiry_seconds",
            "Unix time at which the instance certificate ends",
            multiprocess_mode="max",
            registry=self._registry,
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def decision(self, outcome: str) -> None:
        """`released`, `denied`, `renewed`, `revoked`."""
        self._decisions.labels(outcome).inc()

    def evidence_refused(self, step: str) -> None:
        """Nothing is recorded of evidence that did not verify: anybody could fill the log with it."""
        self._unverified.labels(step).inc()

    def certificate_ends(self, unix_time: float) -> None:
        self._certificate.set(unix_time)

    def render(self) -> bytes:
        """Prometheus text, of all workers."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
