"""Field types that every model shares: strict text forms of spec/protocol.md, "Words and encodings"."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints, WithJsonSchema

from casemate.errors import MalformedError

__all__ = [
    "MAX_INTEGER",
    "Bytes",
    "Bytes16",
    "Bytes32",
    "FormatOne",
    "HoleName",
    "HpkeKeyText",
    "LoanMode",
    "Model",
    "PolicyName",
    "PrincipalName",
    "SecretName",
    "ServiceName",
    "Sha256",
    "Sha384",
    "SigningKeyText",
    "Time",
    "VolumeName",
    "b64u_decode",
    "b64u_encode",
    "format_time",
    "is_plain",
    "parse_time",
]

MAX_INTEGER: Final = 2**53 - 1
"""Larger ones change on their way through a parser that has floating-point numbers only (RFC 7493 §2.2)."""

_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_FIRST_YEAR: Final = 1970
"""Both languages count from here."""
_TIME_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
_B64U_PATTERN: Final = r"^[A-Za-z0-9_-]*$"


class Model(BaseModel):
    """Frozen, and a field that is not declared is an error."""

    # Field names follow the wire format, where some begin with what pydantic keeps for itself.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    def to_object(self) -> dict[str, Any]:
        """The JSON object of this model, without the fields that are absent."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


# C0, DEL and C1; what reorders the text around it (UAX #9); what breaks lines.
_HIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def is_plain(text: str) -> bool:
    """Whether a person who reads `text` sees what is there: no control characters, nothing that moves its parts."""
    return _HIDDEN.search(text) is None


def _whole_number(value: object) -> object:
    # True == 1 == 1.0 in Python, and a `Literal[1]` takes all three.
    if type(value) is not int:
        raise ValueError("expected the number 1")
    return value


FormatOne = Annotated[Literal[1], BeforeValidator(_whole_number)]
"""The number of a format, so far the first of each."""


def b64u_encode(data: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_decode(text: str) -> bytes:
    """The bytes that `b64u_encode` spells `text`; `MalformedError` for padding, other alphabets and stray bits."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise MalformedError("not base64url without padding", step="encoding.base64url") from error
    if b64u_encode(data) != text:
        raise MalformedError("not base64url without padding, in its one spelling", step="encoding.base64url")
    return data


def _decode_field(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("expected base64url text")
    try:
        return b64u_decode(value)
    except MalformedError as error:
        raise ValueError(error.message) from error


def format_time(moment: datetime) -> str:
    """UTC, whole seconds: what lies between two is cut off."""
    return moment.astimezone(UTC).strftime(_TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Strict inverse of `format_time`; `MalformedError` otherwise."""
    try:
        if re.fullmatch(_TIME_PATTERN, text) and int(text[:4]) >= _FIRST_YEAR:
            return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise MalformedError("not a time like 2026-11-23T08:15:00Z", step="encoding.time")


def _time_field(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a time like 2026-11-23T08:15:00Z")
    try:
        return parse_time(value)
    except MalformedError as error:
        raise ValueError(error.message) from error


def _exactly(length: int) -> BeforeValidator:
    def check(value: object) -> bytes:
        data = _decode_field(value)
        if len(data) != length:
            raise ValueError(f"expected {length} bytes")
        return data

    return BeforeValidator(check)


def _b64u_schema(length: int | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "pattern": _B64U_PATTERN, "description": "base64url without padding"}
    if length is not None:
        characters = (length * 4 + 2) // 3
        schema |= {"minLength": characters, "maxLength": characters}
    return WithJsonSchema(schema)


_AS_B64U: Final = PlainSerializer(b64u_encode, return_type=str, when_used="json")

Bytes = Annotated[bytes, BeforeValidator(_decode_field), _AS_B64U, _b64u_schema()]
Bytes16 = Annotated[bytes, _exactly(16), _AS_B64U, _b64u_schema(16)]
Bytes32 = Annotated[bytes, _exactly(32), _AS_B64U, _b64u_schema(32)]
Time = Annotated[
    datetime,
    BeforeValidator(_time_field),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN}),
]

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Sha384 = Annotated[str, StringConstraints(pattern=r"^sha384:[0-9a-f]{96}$")]
# Of the last character only four bits count; the two others are zero in the one canonical spelling.
SigningKeyText = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
HpkeKeyText = Annotated[str, StringConstraints(pattern=r"^x25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
PolicyName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$", max_length=127)
]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
PrincipalName = ServiceName
VolumeName = ServiceName
LoanMode = Literal["write", "read", "rekey"]
"""What a person wants a volume for; `rekey`: to write it anew under its next key."""
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
HoleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
