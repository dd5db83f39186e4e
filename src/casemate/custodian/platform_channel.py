"""The custodian's only way to the platform: the shield's descriptor (spec/manifest.md, "Platform channel")."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Final

from casemate.errors import MalformedError, PlatformError
from casemate.wire import canonical
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import Bytes, Bytes32, Model, b64u_encode

__all__ = ["ChannelEvidence", "PlatformChannel"]

_VARIABLE: Final = "CASEMATE_PLATFORM_FD"
_MAX_FRAME: Final = 32 * 1024 * 1024
"""The answer holds the custodian's own manifest."""


class ChannelEvidence(Model):
    evidence: Evidence
    endorsements: Endorsements
    manifest: Bytes


class _SealingKey(Model):
    key: Bytes32


class PlatformChannel:
    """One request at a time; used by the keeper alone. Errors: `PlatformError`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> PlatformChannel:
        try:
            descriptor = int(environment[_VARIABLE])
            connection = socket.socket(fileno=descriptor)
        except (KeyError, ValueError, OSError) as error:
            raise PlatformError(
                "a custodian runs only under its shield",
                step="platform.channel",
                remedy="start it with: casemate custodian serve NAME",
            ) from error
        os.set_inheritable(descriptor, False)
        return cls(connection)

    def sealing_key(self) -> bytes:
        """32 bytes that only this chip gives, and only to this runtime and this manifest."""
        return canonical.parse_model(_SealingKey, self._ask({"op": "sealing_key"}), what="sealing key").key

    def evidence(self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str) -> ChannelEvidence:
        request = {
            "op": "evidence",
            "nonce": b64u_encode(nonce),
            "custodian": custodian,
            "signing_key": signing_key,
            "hpke_key": hpke_key,
        }
        return canonical.parse_model(ChannelEvidence, self._ask(request), what="evidence")

    def _ask(self, request: dict[str, str]) -> Any:
        body = canonical.encode(request)
        try:
            self._connection.sendall(len(body).to_bytes(4, "big") + body)
            length = int.from_bytes(self._exactly(4), "big")
            if length > _MAX_FRAME:
                raise MalformedError("a frame is too large", step="platform.frame")
            answer = canonical.decode(self._exactly(length), limit=_MAX_FRAME)
        except OSError as error:
            raise PlatformError(f"the shield does not answer: {error.strerror}", step="platform.channel") from error
        if isinstance(answer, dict) and set(answer) == {"error"}:
            raise PlatformError(f"the platform refused: {answer['error']}", step="platform.channel")
        return answer

    def _exactly(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._connection.recv(min(length - len(parts), 1 << 20))
            if not part:
                raise PlatformError("the shield closed the platform channel", step="platform.channel")
            parts += part
        return bytes(parts)
