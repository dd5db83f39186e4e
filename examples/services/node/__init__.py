"""A Node program: HTTP, a worker thread, signatures; its client is a Node program as well."""

from __future__ import annotations

from typing import Final

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_PATIENT: Final = "the patient behind the curtain"


def _use(node: Running) -> None:
    for _ in range(2):
        expect("the summary", node.client("node", "/srv/client.js", str(node.port), _PATIENT), "true 36.95")


SERVICE = Service(
    "node",
    _use,
    hidden=(b"Temperatures of patients", b"Package: nodejs", b"client.js"),
    written=(_PATIENT.encode(),),
)
