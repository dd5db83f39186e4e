"""Every named document, right and wrong, with what a verifier must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.platforms.nitro.verify import MANIFEST_PCR, pcr_of
from casemate.errors import (
    EndorsementError,
    EvidenceError,
    EvidenceMalformedError,
    EvidenceRejectedError,
    SignatureError,
)
from casemate.testing.amd import der
from casemate.testing.nitro.plan import AT, Chain, Plan, encode

__all__ = ["RIGHT", "WRONG", "Case", "case", "chain"]

Make = Callable[[], Plan | bytes]

_HOUR: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Case:
    """A document under a root (DER), looked at at a time: it gives claims, or `error` at `step`."""

    name: str
    document: bytes
    root: bytes
    at: datetime = AT
    error: type[EvidenceError] | None = None
    step: str | None = None


@cache
def chain(**options: Any) -> Chain:
    return Chain.made(**options)


def _right() -> Plan:
    return Plan.right(chain())


def _but(**changes: Any) -> Callable[[], Plan]:
    return lambda: _right().but(**changes)


def _pcr(number: int, value: bytes) -> Callable[[], Plan]:
    return lambda: _right().pcr(number, value)


def _under(**options: Any) -> Callable[[], Plan]:
    """The right one under another chain."""
    return lambda: Plan.right(chain(**options))


def _swapped() -> Plan:
    """The module's certificate in the place of an authority's, and the other way round."""
    root, zone, instance, leaf = chain().der()
    return _right().but(cabundle=[root, instance, zone], certificate=leaf)


def _named_otherwise(*, beside: bool) -> Plan:
    """The module's certificate, signed as ever, with another algorithm named in what is signed; `beside` it as well, or
    the right one there, which no signature covers.
    """
    name, other = bytes.fromhex("2a8648ce3d040303"), bytes.fromhex("2a8648ce3d040302")
    signed, algorithm, _ = der.children(chain().der()[-1])
    signed = signed.replace(name, other)
    signature = chain().keys[-2].sign(signed, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
    algorithm = algorithm.replace(name, other) if beside else algorithm
    return _right().but(certificate=der.sequence((signed, algorithm, der.bit_string(signature))))


def _signed_for_another() -> bytes:
    return _right().built()[:-96] + replace(_right(), content={}).built()[-96:]


_RIGHT: Final[Mapping[str, Make]] = {
    "right": _right,
    "with-the-tag-of-cose": lambda: b"\xd2" + _right().built(),
    "with-a-nonce-and-a-key": _but(nonce=b"nonce", public_key=bytes(294)),
    "with-empty-fields": _but(nonce=b"", public_key=b""),
    "registers-beyond-the-manifests": _pcr(31, bytes(48)),
    "path-length-is-enough": _under(path_length=None),
}

_TIMES: Final = {
    "first-second-of-the-certificates": AT - _HOUR,
    "last-second-of-the-certificates": AT + 2 * _HOUR,
    "before-the-certificates": AT - _HOUR - _SECOND,
    "after-the-certificates": AT + 2 * _HOUR + _SECOND,
}
"""Of the right document. The last two are refused."""

_CHAINS: Final[Mapping[str, tuple[Make, str]]] = {
    "another-root": (lambda: _right().but(cabundle=chain().der()[1:3]), "root"),
    "authorities-in-another-order": (_swapped, "chain"),
    "authority-is-missing": (lambda: _right().but(cabundle=chain().der()[:2]), "chain"),
    "certificate-with-another-algorithm-named": (lambda: _named_otherwise(beside=True), "chain"),
    "certificate-with-two-algorithms-named": (lambda: _named_otherwise(beside=False), "chain"),
    "authority-may-not-sign": (_under(authority=False), "chain"),
    "more-below-than-an-authority-allows": (_under(path_length=0), "chain"),
    "key-of-another-curve": (_under(curve=ec.SECP256R1()), "report_key"),
    "key-of-an-authority": (
        lambda: _right().but(cabundle=chain().der()[:2], certificate=chain().der()[2]),
        "report_key",
    ),
    "certificate-is-none": (_but(certificate=b"\x30\x03\x02\x01\x01"), "certificates"),
}

_REJECTED: Final[Mapping[str, tuple[Make, str]]] = {
    "debug": (_pcr(0, bytes(48)), "debug"),
    "debug-in-part": (_pcr(2, bytes(48)), "debug"),
    "another-manifest": (_pcr(MANIFEST_PCR, pcr_of(bytes(32))), "manifest"),
    "no-manifest": (_pcr(MANIFEST_PCR, bytes(48)), "manifest"),
    "extended-once-more": (_pcr(MANIFEST_PCR, bytes.fromhex("ab" * 48)), "manifest"),
    "other-report-data": (_but(user_data=bytes(64)), "report_data"),
    "no-report-data": (_but(user_data=None), "report_data"),
}

_MALFORMED: Final[Mapping[str, tuple[Make, str]]] = {
    "unknown-field": (_but(more=1), "document"),
    "another-digest": (_but(digest="SHA256"), "document"),
    "no-module": (_but(module_id=...), "document"),
    "module-that-does-not-print": (_but(module_id="i-\x1b[2J"), "document"),
    "no-time": (_but(timestamp=...), "document"),
    "time-beyond-all": (_but(timestamp=2**63), "document"),
    "no-registers": (_but(pcrs={}), "document"),
    "register-beyond-the-last": (_pcr(32, bytes(48)), "document"),
    "register-of-another-bank": (_pcr(5, bytes(32)), "document"),
    "no-bundle": (_but(cabundle=[]), "document"),
    "bundle-of-nothing": (_but(cabundle=[b""]), "document"),
    "bundle-without-an-end": (lambda: _right().but(cabundle=chain().der()[:1] * 9), "document"),
    "nonce-that-is-text": (_but(nonce="1"), "document"),
    "user-data-that-is-long": (_but(user_data=bytes(1025)), "document"),
    "another-algorithm": (lambda: replace(_right(), protected=b"\xa1\x01\x26"), "document"),
    "header-that-is-not-signed": (lambda: replace(_right(), unprotected={4: b"key"}), "document"),
    "no-envelope": (lambda: encode([_right().protected, {}, b""]), "document"),
    "bytes-behind-it": (lambda: _right().built() + b"\0", "cbor"),
    "empty": (lambda: b"", "cbor"),
    "cut-off": (lambda: _right().built()[:-1], "cbor"),
}

_SIGNATURES: Final[Mapping[str, tuple[Make, str]]] = {
    "signature-of-another": (_signed_for_another, "signature"),
    "signature-of-nothing": (lambda: _right().built()[:-96] + bytes(96), "signature"),
}

_WRONG: Final = {
    name: (make, error, f"evidence.{step}")
    for cases, error in (
        (_CHAINS, EndorsementError),
        (_REJECTED, EvidenceRejectedError),
        (_MALFORMED, EvidenceMalformedError),
        (_SIGNATURES, SignatureError),
    )
    for name, (make, step) in cases.items()
}

RIGHT: Final = (*_RIGHT, *(name for name in _TIMES if "second" in name))
WRONG: Final = (*_WRONG, *(name for name in _TIMES if "second" not in name))
"""Names of cases, for `case`."""


def case(name: str) -> Case:
    root = chain().root
    if name in _RIGHT:
        return Case(name, _bytes(_RIGHT[name]()), root)
    if name in _TIMES:
        right = Case(name, _right().built(), root, _TIMES[name])
        return right if name in RIGHT else replace(right, error=EndorsementError, step="evidence.time")
    make, error, step = _WRONG[name]
    return Case(name, _bytes(make()), root, error=error, step=step)


def _bytes(made: Plan | bytes) -> bytes:
    return made.built() if isinstance(made, Plan) else made
