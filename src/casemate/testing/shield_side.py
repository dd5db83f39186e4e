"""The shield's end of a custodian's platform channel (spec/manifest.md, "Platform channel"), without a shield.

The keys and the evidence are those of a simulated platform, for one measurement and one manifest.
"""

from __future__ import annotations

import json
import socket
import threading
from types import TracebackType
from typing import Any, Final

from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.binding import Purpose, digest_bytes, report_data, sha256_text
from casemate.wire.fields import b64u_decode, b64u_encode

__all__ = ["ShieldSide", "frame"]

_CONTEXT: Final = b"casemate/custodian-seal/v1"


class ShieldSide:
    """`descriptor` is the custodian's end. Answers in a thread of its own until the channel is closed."""

    def __init__(self, platform: SimulatedPlatform, *, measurement: bytes, manifest: bytes) -> None:
        self._platform = platform
        self._measurement = measurement
        self._manifest = manifest
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    @property
    def descriptor(self) -> int:
        return self._theirs.fileno()

    def __enter__(self) -> ShieldSide:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._theirs.close()
        self._ours.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._ours.close()

    def sealing_key(self) -> bytes:
        """What it answers to `sealing_key`."""
        return self._platform.derive_key(self._measurement, self._host_data(), _CONTEXT)

    def _serve(self) -> None:
        with self._ours.makefile("rb") as requests:
            while head := requests.read(4):
                request = json.loads(requests.read(int.from_bytes(head, "big")))
                self._ours.sendall(frame(self._answer(request)))

    def _answer(self, request: dict[str, str]) -> dict[str, Any]:
        if request == {"op": "sealing_key"}:
            return {"key": b64u_encode(self.sealing_key())}
        purpose = {"evidence": Purpose.CUSTODIAN, "ra_tls": Purpose.RA_TLS}.get(request.get("op", ""))
        if purpose is not None:
            return self._evidence(request, purpose)
        return {"error": "unknown"}

    def _evidence(self, request: dict[str, str], purpose: Purpose) -> dict[str, Any]:
        data = report_data(
            purpose,
            custodian=request["custodian"],
            nonce=b64u_decode(request["nonce"]),
            signing_key=request["signing_key"],
            hpke_key=request["hpke_key"],
            manifest=sha256_text(self._manifest),
        )
        report = self._platform.report(self._measurement, self._host_data(), data)
        crls = [b64u_encode(crl) for crl in self._platform.crls]
        return {
            "evidence": {"format": "sev-snp-report", "report": b64u_encode(report)},
            "endorsements": {"certificates": b64u_encode(self._platform.certificate_table), "crls": crls},
            "manifest": b64u_encode(self._manifest),
        }

    def _host_data(self) -> bytes:
        return digest_bytes(sha256_text(self._manifest))


def frame(value: object) -> bytes:
    body = json.dumps(value).encode()
    return len(body).to_bytes(4, "big") + body
