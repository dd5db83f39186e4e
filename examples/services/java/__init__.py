"""A Java program, compiled in a stage of its own: HTTP, a pool of threads, work on all processors."""

from __future__ import annotations

from typing import Final

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_PATIENT: Final = "whoever waits longest"


def _use(java: Running) -> None:
    asked = java.client("java", "-Xmx128m", "-cp", "/srv/classes", "Client", str(java.port), _PATIENT)
    expect("the lots", asked, "true 40")


SERVICE = Service(
    "java",
    _use,
    hidden=(b"Client.class", b"Package: default-jre-headless"),
    written=(_PATIENT.encode(),),
    stops=143,
)
