"""One line of sealed output: found in a log, and opened (spec/output-format.md, "Lines" to "Plaintext")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from casemate.errors import InputError, OutputTamperedError
from casemate.wire.binding import bind, digest_bytes
from casemate.wire.fields import MAX_INTEGER, b64u_decode

__all__ = ["MARK", "Kind", "Piece", "SealedLine", "StreamKey", "lines_in"]

MARK: Final = b"casemate-output:v1:"
_REST: Final = re.compile(rb"([A-Za-z0-9_-]{22}):(0|[1-9][0-9]{0,15}):([A-Za-z0-9_-]{1,4000})(?![A-Za-z0-9_-])")
"""What follows the mark."""
_STREAM_PURPOSE: Final = b"casemate/output/v1"
_LINE_PURPOSE: Final = b"casemate/output/line/v1"
_STEP: Final = 64
_LARGEST: Final = 46 * _STEP
_HEAD: Final = 3


class Kind(IntEnum):
    START = 0
    OUTPUT = 1
    ERROR = 2
    END = 3


@dataclass(frozen=True, slots=True)
class SealedLine:
    """What a line says of itself. `stream` is 16 bytes; nothing of it is believed before it opened."""

    stream: bytes
    number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    kind: Kind
    content: bytes = field(repr=False)


def lines_in(text: bytes) -> Iterator[SealedLine | None]:
    """The sealed lines in one line of a log, which may have other text around them; None for each that is damaged."""
    for rest in text.split(MARK)[1:]:
        found = _REST.match(rest)
        yield None if found is None else _parsed(*found.groups())


def _parsed(stream: bytes, number: bytes, body: bytes) -> SealedLine | None:
    try:
        line = SealedLine(b64u_decode(stream.decode()), int(number), b64u_decode(body.decode()))
    except InputError:
        return None
    return line if line.number <= MAX_INTEGER else None


class StreamKey:
    """Opens the lines of one start of one service."""

    def __init__(self, key: bytes, *, genesis: str, service: str, stream: bytes) -> None:
        """`key` has 32 bytes, `stream` 16; `genesis` is the policy's, as `sha256:…`."""
        info = bind(_STREAM_PURPOSE, digest_bytes(genesis), service.encode())
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=stream, info=info).derive(key))

    def open(self, line: SealedLine) -> Piece:
        """Errors: OutputTamperedError."""
        try:
            plaintext = self._cipher.decrypt(bytes(4) + line.number.to_bytes(8, "big"), line.body, _LINE_PURPOSE)
        except (InvalidTag, ValueError) as error:
            raise _refused("nobody who has the key sealed it for this place") from error
        return _piece(plaintext, line.number)


def _piece(plaintext: bytes, number: int) -> Piece:
    """Strict, though it is authentic: who has the key is not for that reason right."""
    length = int.from_bytes(plaintext[1:_HEAD], "big")
    end = _HEAD + length
    if len(plaintext) > _LARGEST or len(plaintext) != -(-end // _STEP) * _STEP or any(plaintext[end:]):
        raise _refused("its length is not what it says")
    if plaintext[0] not in Kind.__members__.values():
        raise _refused(f"it is of an unknown kind, {plaintext[0]}")
    kind = Kind(plaintext[0])
    if (kind is Kind.START) != (number == 0) or not length:
        raise _refused("it is in a place where it cannot be")
    return Piece(kind, plaintext[_HEAD:end])


def _refused(why: str) -> OutputTamperedError:
    return OutputTamperedError(f"a line does not open: {why}", step="output.line")
