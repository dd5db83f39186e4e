"""Attestation documents as they lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.nitro.document import Document
from casemate.wire.evidence import Endorsements

__all__ = ["endorsements", "fields", "recognises"]

_BEGINNING: Final = b"\x84\x44\xa1\x01\x38\x22"
"""An array of four, whose first is the header that says ES384."""


def recognises(data: bytes) -> bool:
    return data.removeprefix(b"\xd2").startswith(_BEGINNING)


def fields(data: bytes) -> dict[str, Any]:
    """Errors: InputError, EvidenceError."""
    document = Document.parse(data)
    leaf = Certificate.parse(document.certificate, "document's certificate")
    return {
        "module_id": document.module,
        "timestamp": document.made.isoformat(),
        **{f"pcr{number}": value.hex() for number, value in sorted(document.pcrs.items())},
        "user_data": _shown(document.user_data),
        "nonce": _shown(document.nonce),
        "public_key": _shown(document.public_key),
        "certificate": leaf.common_name,
        "certificate_from": leaf.start.isoformat(),
        "certificate_to": leaf.end.isoformat(),
        "cabundle": [Certificate.parse(one, "certificate of the bundle").common_name for one in document.bundle],
        "signature": document.signature.hex(),
    }


def endorsements(_data: bytes, _files: Sequence[bytes]) -> Endorsements:
    """A document brings its own."""
    return Endorsements(certificates=b"", crls=[])


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
