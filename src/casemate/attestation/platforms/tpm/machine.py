"""Which machine Google certified a TPM's key for: an extension of the certificate, in DER (X.690).

    SEQUENCE { zone UTF8String, project number INTEGER, project UTF8String, instance INTEGER, name UTF8String,
               [0] SEQUENCE { [0] security version INTEGER, [1] is production BOOLEAN, [2] and on: BOOLEAN } }

Source: `gceInstanceInfo` of go-tpm-tools and the certificates themselves; Google publishes no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from casemate.errors import EndorsementError

__all__ = ["MACHINE", "certified_machine"]

MACHINE: Final = "1.3.6.1.4.1.11129.2.1.21"

_SEQUENCE, _TEXT, _INTEGER = 0x30, 0x0C, 0x02
_FIRST, _SECOND = 0xA0, 0xA1
_TRUE: Final = bytes.fromhex("0101ff")
_LONG_FORM: Final = 0x80
_MAX_TEXT: Final = 128
_MAX_INTEGER: Final = 9


def certified_machine(extensions: Mapping[str, bytes]) -> dict[str, str]:
    """Project, zone and instance by which policies ask; none where the certificate says nothing of a machine.

    Errors: EndorsementError, at what is malformed, and at machines that are not for production.
    """
    if MACHINE not in extensions:
        return {}
    parts = _parts(_only(extensions[MACHINE], _SEQUENCE))
    if [tag for tag, _ in parts] != [_TEXT, _INTEGER, _TEXT, _INTEGER, _TEXT, _FIRST]:
        raise _bad("the certificate says of its machine what is not known")
    zone, _, project, instance, _, security = (body for _, body in parts)
    if (_SECOND, _TRUE) not in _parts(_only(security, _SEQUENCE)):
        raise _bad("certified for a machine that is not for production")
    return {"zone": _text(zone), "project": _text(project), "instance": str(_integer(instance))}


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    return list(_each(data))


def _each(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags of one byte, lengths below 256 in their shortest form."""
    at = 0
    while at < len(data):
        head = data[at : at + 3]
        long = len(head) == 3 and head[1] == _LONG_FORM | 1 and head[2] >= _LONG_FORM
        start, length = (at + 3, head[2]) if long else (at + 2, head[1] if len(head) > 1 else _LONG_FORM)
        if start + length > len(data) or not (long or length < _LONG_FORM):
            raise _bad("the certificate says of its machine what cannot be read")
        yield head[0], data[start : start + length]
        at = start + length


def _only(data: bytes, tag: int) -> bytes:
    parts = _parts(data)
    if len(parts) != 1 or parts[0][0] != tag:
        raise _bad("the certificate says of its machine what cannot be read")
    return parts[0][1]


def _text(body: bytes) -> str:
    if not body.isascii() or not 0 < len(body) <= _MAX_TEXT or not body.decode("ascii").isprintable():
        raise _bad("the certificate names its machine by what is no name")
    return body.decode("ascii")


def _integer(body: bytes) -> int:
    value = int.from_bytes(body, "big", signed=True)
    if not 0 < len(body) <= _MAX_INTEGER or value < 0:
        raise _bad("the certificate numbers its machine by what is no number")
    return value


def _bad(message: str) -> EndorsementError:
    return EndorsementError(message, step="evidence.machine")
