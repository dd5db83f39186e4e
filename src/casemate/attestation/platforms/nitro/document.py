"""Attestation documents of AWS Nitro Enclaves: COSE_Sign1 (RFC 9052) around CBOR.

Source: AWS, "Attestation process" of the Nitro Secure Module library, sections 2 (COSE) and 3 (content, limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from casemate.attestation import cbor
from casemate.errors import EvidenceMalformedError, TooLargeError

__all__ = ["MAX_DOCUMENT_BYTES", "Document"]

MAX_DOCUMENT_BYTES: Final = 32 * 1024
_ES384: Final = {1: -35}
_SIGNATURE_BYTES: Final = 96
_TAGGED: Final = b"\xd2"
"""Tag 18, COSE_Sign1: some collectors write it before the array, the module does not."""
_FIELDS: Final = frozenset(
    {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"}
)
_PCRS: Final = 32
_PCR_BYTES: Final = 48
_MAX_CERTIFICATE: Final = 1024
_MAX_BUNDLE: Final = 8
_MAX_USER: Final = 1024
_YEAR_9999: Final = 253_402_300_799_000


@dataclass(frozen=True)
class Document:
    """What a document says; nothing of it is believed before its signature verified.

    `pcrs`: number → 48 bytes. `certificate` is the key's, DER; `bundle` leads to it from below the root. `signed` are
    the bytes under the signature, `signature` r ‖ s.
    """

    module: str
    made: datetime
    pcrs: Mapping[int, bytes]
    certificate: bytes
    bundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Document:
        """Errors: EvidenceMalformedError, TooLargeError."""
        if len(data) > MAX_DOCUMENT_BYTES:
            raise TooLargeError("the attestation document is too large", expected=f"≤ {MAX_DOCUMENT_BYTES} bytes")
        protected, payload, signature = _envelope(cbor.decode(data.removeprefix(_TAGGED), what="the document"))
        content = cbor.decode(payload, what="the document's content")
        if not isinstance(content, dict) or set(content) - _FIELDS:
            raise _malformed("fields that are not known")
        if content.get("digest") != "SHA384":
            raise _malformed("another digest than SHA384")
        return cls(
            module=_module(content.get("module_id")),
            made=_time(content.get("timestamp")),
            pcrs=_pcrs(content.get("pcrs")),
            certificate=_bytes(content.get("certificate"), _MAX_CERTIFICATE, "certificate"),
            bundle=_bundle(content.get("cabundle")),
            public_key=_optional(content.get("public_key"), "public_key"),
            user_data=_optional(content.get("user_data"), "user_data"),
            nonce=_optional(content.get("nonce"), "nonce"),
            signed=_structure(protected, payload),
            signature=signature,
        )


def _envelope(value: Any) -> tuple[bytes, bytes, bytes]:
    """Protected header, payload, signature. The unprotected header is empty: nothing is believed of it."""
    if not isinstance(value, list) or len(value) != 4 or value[1] != {}:
        raise _malformed("no COSE_Sign1 with an empty unprotected header")
    protected, _, payload, signature = value
    if not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise _malformed("no COSE_Sign1")
    if cbor.decode(protected, what="the document's header") != _ES384:
        raise _malformed("another algorithm than ES384")
    if len(signature) != _SIGNATURE_BYTES:
        raise _malformed(f"a signature of {len(signature)} bytes")
    return protected, payload, signature


def _structure(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 §4.4, without external data."""
    parts = (cbor.encode_text("Signature1"), *map(cbor.encode_bytes, (protected, b"", payload)))
    return b"\x84" + b"".join(parts)


def _module(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not 0 < len(value) <= 200:
        raise _malformed("no module_id")
    return value


def _time(value: Any) -> datetime:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _YEAR_9999:
        raise _malformed("no timestamp")
    return datetime.fromtimestamp(value / 1000, UTC)


def _pcrs(value: Any) -> dict[int, bytes]:
    if not isinstance(value, dict) or not 0 < len(value) <= _PCRS:
        raise _malformed("no pcrs")
    for number, content in value.items():
        known = isinstance(number, int) and 0 <= number < _PCRS
        if not known or not isinstance(content, bytes) or len(content) != _PCR_BYTES:
            raise _malformed("a PCR that is none of SHA384's")
    return dict(value)


def _bundle(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_BUNDLE:
        raise _malformed("no cabundle")
    return tuple(_bytes(one, _MAX_CERTIFICATE, "cabundle") for one in value)


def _bytes(value: Any, longest: int, name: str) -> bytes:
    if not isinstance(value, bytes) or not 0 < len(value) <= longest:
        raise _malformed(f"no {name}")
    return value


def _optional(value: Any, name: str) -> bytes | None:
    return None if value is None else _bytes(value, _MAX_USER, name) if value != b"" else b""


def _malformed(why: str) -> EvidenceMalformedError:
    return EvidenceMalformedError(f"no attestation document: {why}", step="evidence.document")
