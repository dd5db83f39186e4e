"""The custodian's only way to the platform: the shield's descriptor (spec/manifest.md, "Platform channel")."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field

from casemate.errors import InputError, PlatformError, TooLargeError
from casemate.wire import canonical
from casemate.wire.binding import Purpose
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import Bytes, Bytes32, Model, b64u_encode

__all__ = ["ANSWER_SECONDS", "ChannelEvidence", "PlatformChannel"]

_VARIABLE: Final = "CASEMATE_PLATFORM_FD"
_MAX_FRAME: Final = 1024 * 1024
_OPERATIONS: Final = {Purpose.CUSTODIAN: "evidence", Purpose.RA_TLS: "ra_tls"}

ANSWER_SECONDS: Final = 30.0
"""A report takes firmware some milliseconds, and on a busy machine a queue of them. For the whole of an answer."""

M = TypeVar("M", bound=Model)


class ChannelEvidence(Model):
    evidence: Evidence
    endorsements: Endorsements
    manifest: Bytes


class _SealingKey(Model):
    key: Annotated[Bytes32, Field(repr=False)]


class PlatformChannel:
    """One request at a time; used by the keeper alone. Errors: `PlatformError`.

    An answer that is late is waited for before the next question is asked, out of that one's time, and dropped: answers
    come in the order of questions. After any other error that is not the shield's own refusal nothing more is asked, as
    nobody knows what its next answer is to.
    """

    def __init__(self, connection: socket.socket, seconds: float = ANSWER_SECONDS) -> None:
        self._connection = connection
        self._seconds = seconds
        self._owed: bytearray | None = None
        """What came so far of the answer to the last question, where it was late."""

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

    def close(self) -> None:
        self._connection.close()
        self._owed = None

    def sealing_key(self) -> bytes:
        """32 bytes that only this chip gives, and only to this runtime and this manifest."""
        return self._ask(_SealingKey, {"op": "sealing_key"}).key

    def evidence(
        self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str, purpose: Purpose = Purpose.CUSTODIAN
    ) -> ChannelEvidence:
        """`purpose` is one that the shield has for a custodian."""
        request = {
            "op": _OPERATIONS[purpose],
            "nonce": b64u_encode(nonce),
            "custodian": custodian,
            "signing_key": signing_key,
            "hpke_key": hpke_key,
        }
        return self._ask(ChannelEvidence, request)

    def _ask(self, model: type[M], request: dict[str, str]) -> M:
        try:
            answer = self._exchange(canonical.encode(request))
            if not _is_refusal(answer):
                return canonical.parse_model(model, answer, what="platform answer")
        except TimeoutError as error:
            if self._owed is None:  # only a part of the question is there
                self.close()
            raise PlatformError(
                "the shield does not answer",
                step="platform.channel",
                got=f"no whole answer in {self._seconds:g} s",
                remedy="see the log of its platform: it hangs, or has too much to do; start both again if it stays so",
            ) from error
        except OSError as error:
            self.close()
            raise PlatformError(f"the shield does not answer: {error}", step="platform.channel") from error
        except InputError as error:
            self.close()
            raise PlatformError(f"no answer of a shield: {error.message}", step="platform.frame") from error
        raise PlatformError(f"the platform refused: {answer['error']}", step="platform.refused")

    def _exchange(self, body: bytes) -> Any:
        end = time.monotonic() + self._seconds
        if self._owed is not None:
            self._answer(self._owed, end)
        self._owed = None
        self._connection.settimeout(_left(end))
        self._connection.sendall(len(body).to_bytes(4, "big") + body)
        self._owed = bytearray()
        answer = self._answer(self._owed, end)
        self._owed = None
        return canonical.decode(answer, limit=_MAX_FRAME)

    def _answer(self, came: bytearray, end: float) -> bytes:
        """The whole of it. `came` begins with what came before, and keeps what comes, whatever happens."""
        self._fill(came, 4, end)
        length = int.from_bytes(came[:4], "big")
        if length > _MAX_FRAME:
            raise TooLargeError("a frame is too large", step="platform.frame")
        self._fill(came, 4 + length, end)
        return bytes(came[4:])

    def _fill(self, came: bytearray, length: int, end: float) -> None:
        """Until a moment that no trickle of bytes moves."""
        while len(came) < length:
            self._connection.settimeout(_left(end))
            part = self._connection.recv(min(length - len(came), 1 << 20))
            if not part:
                raise ConnectionResetError("it closed the platform channel")
            came += part


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, dict) and set(answer) == {"error"}
