"""What a domain is known by, and what the platform answers about it."""

from __future__ import annotations

import socket
from typing import Annotated, Any, Literal

from pydantic import Field

from casemate.errors import CasemateError, MalformedError
from casemate.simulator.frames import send
from casemate.simulator.hostile import Hostile, hostile_evidence
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire import canonical
from casemate.wire.fields import Model, b64u_encode

__all__ = ["Identity", "try_error"]


class _ReportRequest(Model):
    op: Literal["report"]
    report_data: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class _KeyRequest(Model):
    op: Literal["derive_key"]
    context: Annotated[str, Field(pattern=r"^([0-9a-f]{2}){0,64}$")]


class Identity:
    """`measurement` 48 bytes, `host_data` 32: both fixed before the first request."""

    def __init__(
        self, platform: SimulatedPlatform, hostile: Hostile | None, measurement: bytes, host_data: bytes
    ) -> None:
        self._platform = platform
        self._hostile = hostile
        self._measurement = measurement
        self._host_data = host_data

    @property
    def measurement_text(self) -> str:
        return f"sha384:{self._measurement.hex()}"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """To one request of the domain. `InputError` for what is none."""
        match request.get("op"):
            case "report":
                asked = canonical.parse_model(_ReportRequest, request, what="report")
                report, crls = hostile_evidence(
                    self._platform, self._hostile, self._measurement, self._host_data, bytes.fromhex(asked.report_data)
                )
                return {
                    "report": b64u_encode(report),
                    "certificates": b64u_encode(self._platform.certificate_table),
                    "crls": [b64u_encode(crl) for crl in crls],
                }
            case "derive_key":
                wanted = canonical.parse_model(_KeyRequest, request, what="derive_key")
                key = self._platform.derive_key(self._measurement, self._host_data, bytes.fromhex(wanted.context))
                return {"key": b64u_encode(key)}
        raise MalformedError("neither report nor derive_key", step="platform.op")


def try_error(connection: socket.socket, error: CasemateError) -> bool:
    """Tells a domain what was wrong with its request; whether it may send another."""
    try:
        send(connection, {"error": error.message})
    except OSError:
        return False
    return error.step != "platform.frame"
