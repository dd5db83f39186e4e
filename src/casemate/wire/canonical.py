"""JSON as bytes that two parties can only read one way.

`decode` is strict (spec/protocol.md): UTF-8, no duplicate names, no floating point, integers within ±(2⁵³-1), no half
of a surrogate pair, bounded size, nesting and number of values. `encode` is RFC 8785. `decode_canonical` takes only
bytes that `encode` would have made.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn, TypeVar

import rfc8785
from pydantic import ValidationError

from casemate.errors import MalformedError, NotCanonicalError, TooLargeError
from casemate.wire.binding import sha256_text
from casemate.wire.fields import MAX_INTEGER, Model

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_DEPTH",
    "MAX_VALUES",
    "decode",
    "decode_canonical",
    "digest",
    "encode",
    "parse_exact",
    "parse_model",
    "parse_record",
]

DEFAULT_LIMIT: Final = 1024 * 1024
"""Bytes; enough for every message but manifests, which bring their own limit."""

MAX_DEPTH: Final = 32
"""Nesting; rules nest to 8, nothing else beyond 10. Keeps hostile input far from the recursion limit."""

MAX_VALUES: Final = 1_000_000
"""Commas and opening brackets outside strings. The largest manifest has 600,000; `[],[],…` of 24 MiB would become half
a GiB of lists."""

# A string that never ends reaches to the end of the bytes, so that no byte is looked at twice.
_NO_STRUCTURE: Final = re.compile(rb'"[^"]*"?|[^"\[\]{},]+')
_COMMAS: Final = re.compile(rb",+")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_SHOWN: Final = 80
"""Characters of a field's name in an error: names that a stranger chose may be as long as the message."""

M = TypeVar("M", bound=Model)


def encode(value: object) -> bytes:
    """Canonical bytes (RFC 8785) of JSON values made of dict, list, str, int, bool, None."""
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # its own types are narrower than JSON's
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedError("not representable as canonical JSON", step="json.canonical") from error


def digest(value: object) -> str:
    """`sha256:…` of the canonical bytes."""
    return sha256_text(encode(value))


def decode(data: bytes, *, limit: int = DEFAULT_LIMIT) -> Any:
    """The JSON value in `data`, or `TooLargeError`, `MalformedError`."""
    if len(data) > limit:
        raise TooLargeError("more JSON than allowed", step="json.size", expected=f"≤ {limit} bytes", got=str(len(data)))
    _check_shape(data)
    try:
        value: Any = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
            parse_int=_bounded_int,
        )
        if _SURROGATE.search(data):
            # Half of a pair stands for no character: only Python's parser lets it pass.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedError("not JSON", step="json.syntax", got=str(error)[:200]) from error
    return value


def decode_canonical(data: bytes, *, limit: int = DEFAULT_LIMIT) -> Any:
    """As `decode`, and `NotCanonicalError` unless `data` is exactly the canonical form."""
    value = decode(data, limit=limit)
    try:
        canonical = encode(value)
    except MalformedError as error:
        raise NotCanonicalError("JSON that has no canonical form", step="json.canonical") from error
    if canonical != data:
        raise NotCanonicalError(
            "JSON that is not canonical (RFC 8785)",
            step="json.canonical",
            remedy="sign and hash the bytes that casemate writes, unchanged",
        )
    return value


def parse_model(model: type[M], value: object, *, what: str) -> M:
    """`value` as a `model`, or `MalformedError` that names the first field that is wrong, never its content."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(_shown(part) for part in first["loc"]) or "(the whole)"
        raise MalformedError(f"{what}: {place}: {first['msg']}", step=f"{what}.schema", got=first["type"]) from error


def parse_exact(model: type[M], value: object, *, what: str) -> M:
    """As `parse_model`, and `MalformedError` for what the model would spell otherwise: a null for an absent field."""
    found = parse_model(model, value, what=what)
    if found.to_object() != value:
        raise MalformedError(
            f"{what}: a field is spelled in a way that casemate would not",
            step=f"{what}.spelling",
            remedy="leave absent fields out",
        )
    return found


def parse_record(model: type[M], data: bytes, *, what: str, limit: int = DEFAULT_LIMIT) -> M:
    """A record whose hash is its name: canonical bytes of exactly a `model`. `InputError`."""
    return parse_exact(model, decode_canonical(data, limit=limit), what=what)


def _shown(part: int | str) -> str:
    """A name as it may stand in a message of one line."""
    text = str(part)
    return text if text.isascii() and text.isprintable() and len(text) <= _MAX_SHOWN else repr(text[:_MAX_SHOWN])


def _check_shape(data: bytes) -> None:
    """Counts brackets and commas outside strings: cheap, in one pass, before a recursive parser sees the bytes."""
    if data.count(b"[") + data.count(b"{") + data.count(b",") <= MAX_DEPTH:
        return
    # What is escaped goes first; then every quotation mark begins or ends a string.
    structure = _NO_STRUCTURE.sub(b"", data.replace(b"\\\\", b"").replace(b'\\"', b""))
    if structure.count(b"[") + structure.count(b"{") + structure.count(b",") > MAX_VALUES:
        raise MalformedError("JSON with too many values", step="json.values", expected=f"≤ {MAX_VALUES}")
    depth = 0
    for bracket in _COMMAS.sub(b"", structure):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedError("JSON nested too deeply", step="json.depth", expected=f"≤ {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return result


def _refuse_float(_text: str) -> NoReturn:
    raise ValueError("floating-point numbers are not used")


def _bounded_int(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) > MAX_INTEGER:
        raise ValueError("an integer beyond ±(2^53-1)")
    return value
