"""The one form that certificates over evidence have (spec/ra-tls.md, "Certificate"), byte by byte.

Whoever makes one writes it with `Form.signed` and `certificate_of`; whoever reads one does the same with what was found
in it, and compares. So no library's opinion of X.509 counts, and nothing in a certificate has a second spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from casemate.errors import EndorsementError

__all__ = ["EXTENSION", "SERIAL_BYTES", "Form", "Found", "certificate_of", "read_form"]

SERIAL_BYTES: Final = 16
"""Of a serial number: as random as a nonce, and fewer than RFC 5280, 4.1.2.2 allows. The first is one of 40 to 7f:
positive, and of one length.
"""
EXTENSION: Final = bytes.fromhex("0606678105050409")
"""The object identifier 2.23.133.5.4.9, DER."""

_INTEGER, _BITS, _OCTETS, _UTC, _GENERAL, _SEQUENCE, _EXTENSIONS = 0x02, 0x03, 0x04, 0x17, 0x18, 0x30, 0xA3
_VERSION: Final = bytes.fromhex("a003020102")
"""3, counted from 0."""
_ALGORITHM: Final = bytes.fromhex("300a06082a8648ce3d040302")
"""ecdsa-with-SHA256, without parameters (RFC 5758, 3.2)."""
_NAME: Final = bytes.fromhex("30133111300f06035504030c08") + b"casemate"
"""A common name, as UTF8String. It says nothing; TLS libraries want one."""
_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""A SubjectPublicKeyInfo of P-256 up to the coordinates of its point, which is not compressed (RFC 5480)."""
_KEY_BYTES: Final = len(_P256) + 64
_NO_AUTHORITY: Final = bytes.fromhex("300c0603551d130101ff04023000")
"""Basic constraints, critical."""
_FIRST_YEAR, _FIRST_OF_FOUR_DIGITS = 1970, 2050


@dataclass(frozen=True)
class Form:
    """All that differs from one certificate to another, but for the signature. Times are whole seconds, UTC;
    `public_key` is the SubjectPublicKeyInfo, DER; `value` the extension's.
    """

    serial: bytes
    start: datetime
    end: datetime
    public_key: bytes = field(repr=False)
    value: bytes = field(repr=False)

    def signed(self) -> bytes:
        """What the key signs (TBSCertificate, RFC 5280, 4.1). `ValueError` for what the form has no place for."""
        if len(self.serial) != SERIAL_BYTES or not 0x40 <= self.serial[0] <= 0x7F:
            raise ValueError("a serial number of another length")
        if not self.public_key.startswith(_P256) or len(self.public_key) != _KEY_BYTES:
            raise ValueError("a key that is none of P-256")
        evidence = _made(_SEQUENCE, EXTENSION + _made(_OCTETS, self.value))
        return _made(
            _SEQUENCE,
            _VERSION
            + _made(_INTEGER, self.serial)
            + _ALGORITHM
            + _NAME
            + _made(_SEQUENCE, _time(self.start) + _time(self.end))
            + _NAME
            + self.public_key
            + _made(_EXTENSIONS, _made(_SEQUENCE, _NO_AUTHORITY + evidence)),
        )


@dataclass(frozen=True)
class Found:
    """`signature` (ECDSA-Sig-Value, DER) is not verified over `signed`."""

    form: Form
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def certificate_of(signed: bytes, signature: bytes) -> bytes:
    """DER."""
    return _made(_SEQUENCE, signed + _ALGORITHM + _made(_BITS, b"\0" + signature))


def read_form(der: bytes) -> Found:
    """Errors: EndorsementError."""
    try:
        found = _found(der)
    except ValueError as error:
        raise _other_form() from error
    if certificate_of(found.signed, found.signature) != der:
        raise _other_form()
    return found


def _found(der: bytes) -> Found:
    """Where each part is; how lengths are spelled, and what is behind the last one, is seen when it is compared."""
    whole, _ = _item(_SEQUENCE, der)
    signed, rest = _item(_SEQUENCE, whole)
    bits, _ = _item(_BITS, _after(_ALGORITHM, rest))
    serial, rest = _item(_INTEGER, _after(_VERSION, signed))
    times, rest = _item(_SEQUENCE, _after(_NAME, _after(_ALGORITHM, rest)))
    start, later = _read_time(times)
    end, _ = _read_time(later)
    rest = _after(_NAME, rest)
    public_key, rest = rest[:_KEY_BYTES], rest[_KEY_BYTES:]
    extensions, _ = _item(_SEQUENCE, _item(_EXTENSIONS, rest)[0])
    evidence, _ = _item(_SEQUENCE, _after(_NO_AUTHORITY, extensions))
    value, _ = _item(_OCTETS, _after(EXTENSION, evidence))
    form = Form(serial, start, end, public_key, value)
    return Found(form, form.signed(), _after(b"\0", bits))


def _made(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _item(tag: int, data: bytes) -> tuple[bytes, bytes]:
    """The content of the first item, and what is behind it."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("another item")
    size = data[1] & 0x7F if data[1] & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + size], "big") if size else data[1]
    content = data[2 + size : 2 + size + length]
    if len(content) != length:
        raise ValueError("cut off")
    return content, data[2 + size + length :]


def _after(prefix: bytes, data: bytes) -> bytes:
    if not data.startswith(prefix):
        raise ValueError("something else")
    return data[len(prefix) :]


def _time(time: datetime) -> bytes:
    """UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5)."""
    if time.year < _FIRST_YEAR:
        raise ValueError("a time before 1970")
    if time.year < _FIRST_OF_FOUR_DIGITS:
        return _made(_UTC, f"{time:%y%m%d%H%M%SZ}".encode())
    return _made(_GENERAL, f"{time:%Y%m%d%H%M%SZ}".encode())


def _read_time(data: bytes) -> tuple[datetime, bytes]:
    if data[:1] == bytes([_GENERAL]):
        text, rest = _item(_GENERAL, data)
    else:
        text, rest = _item(_UTC, data)
        # 70 to 99 are of the last century; what follows from 50 to 69 is not what is spelled so.
        text = (b"19" if text[:2] >= b"70" else b"20") + text
    digits = text.removesuffix(b"Z")
    if len(digits) != 14 or not digits.isdigit():
        raise ValueError("no time")
    month, day, hour, minute, second = (int(digits[place : place + 2]) for place in range(4, 14, 2))
    return datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC), rest


def _other_form() -> EndorsementError:
    return EndorsementError(
        "the certificate is not of the one form that certificates over evidence have",
        step="evidence.certificates",
        expected='spec/ra-tls.md, "Certificate"',
    )
