"""Certificates whose form is wrong in one way, really signed: DER by hand, since libraries write right ones only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["FORMS", "RIGHT", "assembled"]

Sign = Callable[[bytes], bytes]


def _item(tag: int, *content: bytes) -> bytes:
    inner = b"".join(content)
    if len(inner) < 0x80:
        return bytes([tag, len(inner)]) + inner
    length = len(inner).to_bytes((len(inner).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + inner


def _extension(oid: str, value: bytes, critical: bytes = b"") -> bytes:
    return _item(0x30, _item(6, bytes.fromhex(oid)), critical, _item(4, value))


def _name(text: bytes = b"casemate", tag: int = 0x0C, kind: str = "550403") -> bytes:
    return _item(0x30, _item(0x31, _item(0x30, _item(6, bytes.fromhex(kind)), _item(tag, text))))


def _times(start: bytes = b"261123080000Z", end: bytes = b"261123200000Z", tag: int = 0x17) -> bytes:
    return _item(0x30, _item(tag, start), _item(tag, end))


_TRUE: Final = bytes.fromhex("0101ff")
_EVIDENCE: Final = "678105050409"
_ECDSA: Final = bytes.fromhex("06082a8648ce3d040302")
_WITH_NULL: Final = _item(0x30, _ECDSA, b"\5\0")
_USAGE: Final = _extension("551d0f", bytes.fromhex("03020780"), _TRUE)

RIGHT: Final[Mapping[str, bytes]] = {
    "version": bytes.fromhex("a003020102"),
    "serial": _item(2, b"\x41" * 16),
    "algorithm": _item(0x30, _ECDSA),
    "issuer": _name(),
    "times": _times(),
    "subject": _name(),
    "ids": b"",
    "constraints": _extension("551d13", b"\x30\0", _TRUE),
    "between": b"",
    "critical": b"",
    "behind": b"",
    "outside": _item(0x30, _ECDSA),
    "padding": b"\0",
    "after_signature": b"",
}
"""Parts of a certificate, in the order in which they come. Key and evidence come from the caller."""

FORMS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "of version 1": {"version": b""},
    "of version 2": {"version": bytes.fromhex("a003020101")},
    "a serial number of another length": {"serial": _item(2, b"\x41" * 15)},
    "a serial number that is negative": {"serial": _item(2, b"\xc1" * 16)},
    "a serial number with a zero before it": {"serial": _item(2, b"\0" + b"\xc1" * 15)},
    "an algorithm with parameters": {"algorithm": _WITH_NULL, "outside": _WITH_NULL},
    "another algorithm beside the signature": {"outside": _item(0x30, bytes.fromhex("06082a8648ce3d040303"))},
    "parameters beside the signature": {"outside": _WITH_NULL},
    "another issuer": {"issuer": _name(b"somebody")},
    "another name": {"issuer": _name(b"somebody"), "subject": _name(b"somebody")},
    "the name in another type of string": {"issuer": _name(tag=0x13), "subject": _name(tag=0x13)},
    "the name of an organisation": {"issuer": _name(kind="55040a"), "subject": _name(kind="55040a")},
    "no name": {"issuer": _item(0x30), "subject": _item(0x30)},
    "GeneralizedTime before 2050": {"times": _times(b"20261123080000Z", b"20261123200000Z", 0x18)},
    "times without seconds": {"times": _times(b"2611230800Z", b"2611232000Z")},
    "times of another zone": {"times": _times(b"261123080000+0000", b"261123200000+0000")},
    "times with fractions": {"times": _times(b"20261123080000.5Z", b"20261123200000.5Z", 0x18)},
    "a second that there is not": {"times": _times(b"261123075960Z")},
    "a day that there is not": {"times": _times(b"260230080000Z")},
    "a time before 1970": {"times": _times(b"690101080000Z")},
    "a unique identifier": {"ids": _item(0x81, b"\0x")},
    "a limit of the path": {"constraints": _extension("551d13", bytes.fromhex("3003020100"), _TRUE)},
    "what is left out, written": {"constraints": _extension("551d13", bytes.fromhex("3003010100"), _TRUE)},
    "an authority": {"constraints": _extension("551d13", bytes.fromhex("30030101ff"), _TRUE)},
    "constraints that are not critical": {"constraints": _extension("551d13", b"\x30\0")},
    "without constraints": {"constraints": b""},
    "a key usage": {"between": _USAGE},
    "a key usage behind": {"behind": _USAGE},
    "the extension twice": {"behind": _extension(_EVIDENCE, b"x")},
    "an extension that is critical": {"critical": _TRUE},
    "an extension that says that it is not critical": {"critical": bytes.fromhex("010100")},
    "a signature with padding": {"padding": b"\1"},
    "something behind the signature": {"after_signature": b"\5\0"},
}  # fmt: skip
"""What stands instead of the right parts, by name."""


def assembled(public_key: bytes, value: bytes, sign: Sign, change: Mapping[str, bytes]) -> bytes:
    """DER of a certificate of this key (SubjectPublicKeyInfo, DER), with the evidence, and other parts by `change`."""
    part = {**RIGHT, **change}
    evidence = _extension(_EVIDENCE, value, part["critical"])
    extensions = _item(0x30, part["constraints"], part["between"], evidence, part["behind"])
    while True:
        signed = _item(
            0x30,
            *(part[name] for name in ("version", "serial", "algorithm", "issuer", "times", "subject")),
            public_key,
            part["ids"],
            _item(0xA3, extensions),
        )
        signature = sign(signed)
        if part["padding"] == b"\0" or signature[-1] & 1 == 0:
            return _item(0x30, signed, part["outside"], _item(3, part["padding"], signature), part["after_signature"])
        # Padding is zeros: another number gives another signature.
        part["serial"] = part["serial"][:-1] + bytes([part["serial"][-1] + 1])
