"""Conceptual message wrappers (RFC 9999), as spec/evidence.md, "Wrappers", reads them."""

from __future__ import annotations

from scripts.vectors._form import Case, b64u, canonical, render

__all__ = ["document", "head", "octets", "record", "tag", "text", "wrapped"]

VALUE = bytes.fromhex("2347da55")
EXAMPLE = "application/vnd.example.rats-conceptual-msg"


def head(major: int, argument: int) -> bytes:
    """RFC 8949, section 3."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for place, size in enumerate((1, 2, 4, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | 24 + place]) + argument.to_bytes(size, "big")
    raise ValueError(argument)


def text(value: str) -> bytes:
    return head(3, len(value.encode())) + value.encode()


def octets(value: bytes) -> bytes:
    return head(2, len(value)) + value


def wrapped(media_type: str, value: bytes, *more: int) -> bytes:
    """A record in CBOR."""
    return record(text(media_type), octets(value), *(head(0, number) for number in more))


def record(*parts: bytes) -> bytes:
    """Whatever its parts are."""
    return head(4, len(parts)) + b"".join(parts)


def tag(content_format: int) -> int:
    """RFC 9277, appendix B."""
    return 1_668_546_817 + content_format // 255 * 256 + content_format % 255


def document() -> str:
    return render(
        "wrappers in hex; of good ones the records: labels, type (a media type, or a format's number), value, bits",
        good=[*_records(), *_collections()],
        refused=[*_refused_json(), *_refused_cbor()],
    )


def _good(name: str, data: bytes, *records: tuple[str, str | int, int]) -> Case:
    found = [{"label": label, "type": kind, "value": VALUE.hex(), "ind": bits} for label, kind, bits in records]
    return {"name": name, "data": data.hex(), "records": found}


def _records() -> list[Case]:
    value = b64u(VALUE)
    return [
        _good("a record of JSON", canonical([EXAMPLE, value]), ("", EXAMPLE, 0)),
        _good("a record of JSON that says evidence", canonical([EXAMPLE, value, 4]), ("", EXAMPLE, 4)),
        _good("white space around", b' [ "%b" , "%b" ]\n' % (EXAMPLE.encode(), value.encode()), ("", EXAMPLE, 0)),
        _good("a record of CBOR", wrapped(EXAMPLE, VALUE), ("", EXAMPLE, 0)),
        _good("a record of CBOR that says all five", wrapped(EXAMPLE, VALUE, 31), ("", EXAMPLE, 31)),
        _good("a content format", head(4, 2) + head(0, 30_001) + octets(VALUE), ("", 30_001, 0)),
        _good("a content format of RATS", head(4, 2) + head(0, 264) + octets(VALUE), ("", "application/eat+jwt", 0)),
        _good("a tag", head(6, 1_668_576_935) + octets(VALUE), ("", 30_001, 0)),
        _good("the first tag", head(6, 1_668_546_817) + octets(VALUE), ("", 0, 0)),
        _good("the last tag", head(6, 1_668_612_095) + octets(VALUE), ("", 65_024, 0)),
        _good("a tag of RATS", head(6, tag(263)) + octets(VALUE), ("", "application/eat+cwt", 0)),
        _good("parameters", canonical(['a/b; eat_profile="tag:x,2026:y"; c=d', value]),
              ("", 'a/b; eat_profile="tag:x,2026:y"; c=d', 0)),
    ]  # fmt: skip


def _collections() -> list[Case]:
    record, value = wrapped(EXAMPLE, VALUE), b64u(VALUE)
    return [
        _good("a collection of JSON", canonical({"a": [EXAMPLE, value], "b": [EXAMPLE, value, 8]}),
              ("a", EXAMPLE, 0), ("b", EXAMPLE, 8)),
        _good("a collection with a type", canonical({"__cmwc_t": "tag:example.com,2026:x", "a": [EXAMPLE, value]}),
              ("a", EXAMPLE, 0)),
        _good("an object identifier as its type", canonical({"__cmwc_t": "1.2.3", "a": [EXAMPLE, value]}),
              ("a", EXAMPLE, 0)),
        _good("a collection of CBOR", head(5, 2) + head(0, 7) + record + text("b") + head(6, tag(30_001))
              + octets(VALUE), ("7", EXAMPLE, 0), ("b", 30_001, 0)),
        _good("a collection in a collection", canonical({"a": {"b": [EXAMPLE, value]}}), ("a/b", EXAMPLE, 0)),
    ]  # fmt: skip


def _refused(name: str, data: bytes) -> Case:
    return {"name": name, "data": data.hex()}


def _refused_json() -> list[Case]:
    value = b64u(VALUE)
    deep: object = [EXAMPLE, value]
    for _ in range(5):
        deep = {"a": deep}
    shapes: dict[str, object] = {
        "nothing in it": [], "one part": [EXAMPLE], "four parts": [EXAMPLE, value, 4, 4],
        "a number as its type": [30_001, value], "no slash": ["application", value], "an empty type": ["/", value],
        "a space in the type": ["a /b", value], "padded": [EXAMPLE, value + "=="], "not base64url": [EXAMPLE, "*"],
        "no bits": [EXAMPLE, value, 0], "a sixth bit": [EXAMPLE, value, 32],
        "bits that are true": [EXAMPLE, value, True],
        "bits below zero": [EXAMPLE, value, -1], "an empty collection": {}, "a type and nothing": {"__cmwc_t": "1.2.3"},
        "a type that is none": {"__cmwc_t": "x", "a": [EXAMPLE, value]}, "a tunnel": ["#cmw-c2j-tunnel", value],
        "an empty label": {"": [EXAMPLE, value]}, "too deep": deep, "a text": "x",
        "too many": {str(number): [EXAMPLE, value] for number in range(65)},
    }  # fmt: skip
    twice = b'{"a":["a/b","AA"],"a":["a/b","AA"]}'
    return [
        *(_refused(name, canonical(shape)) for name, shape in shapes.items()),
        _refused("a label twice", twice),
        _refused("JSON with something behind", canonical([EXAMPLE, value]) + b"x"),
    ]


def _refused_cbor() -> list[Case]:
    record = wrapped(EXAMPLE, VALUE)
    return [
        _refused("cut off", record[:-1]),
        _refused("CBOR with something behind", record + b"\0"),
        _refused("text as its value", head(4, 2) + text(EXAMPLE) + text("x")),
        _refused("a format beyond the last", head(4, 2) + head(0, 65_025) + octets(VALUE)),
        _refused("a format below zero", head(4, 2) + head(1, 0) + octets(VALUE)),
        _refused("a format that is true", head(4, 2) + b"\xf5" + octets(VALUE)),
        _refused("no bits, in CBOR", wrapped(EXAMPLE, VALUE, 0)),
        _refused("a tag before the first", head(6, 1_668_546_816) + octets(VALUE)),
        _refused("a tag behind the last", head(6, 1_668_612_096) + octets(VALUE)),
        _refused("the tag of no format", head(6, 1_668_546_817 + 255) + octets(VALUE)),
        _refused("a tag before text", head(6, tag(30_001)) + text("x")),
        _refused("a length that does not end", b"\x9f" + text(EXAMPLE) + octets(VALUE) + b"\xff"),
        _refused("a longer spelling of a length", b"\x98\x02" + text(EXAMPLE) + octets(VALUE)),
        _refused("a label twice, in CBOR", head(5, 2) + (text("a") + record) * 2),
    ]
