"""Lines of sealed output, held to spec/vectors/output.json, which the shield's sealer is held to as well."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import OutputTamperedError
from casemate.output.line import Kind, Piece, SealedLine, StreamKey, lines_in
from casemate.output.reading import Event, Finding, Reader, Written
from casemate.wire.fields import b64u_decode

from .conftest import vectors

VECTORS = vectors("output")


def opened(stream: dict[str, Any], text: str) -> Piece:
    (line,) = lines_in(text.encode())
    assert line is not None
    key = StreamKey(
        b64u_decode(stream["key"]),
        genesis=stream["genesis"],
        service=stream["service"],
        stream=b64u_decode(stream["stream"]),
    )
    return key.open(line)


@pytest.mark.parametrize("stream", VECTORS["good"], ids=lambda stream: stream["name"])
def test_each_line_of_a_stream_opens(stream: dict[str, Any]) -> None:
    for number, line in enumerate(stream["lines"]):
        (found,) = lines_in(line["line"].encode())
        assert found is not None
        assert (found.stream, found.number) == (b64u_decode(stream["stream"]), number)
        assert opened(stream, line["line"]) == Piece(Kind(line["kind"]), b64u_decode(line["content"]))


@pytest.mark.parametrize("case", VECTORS["hostile"], ids=lambda case: case["name"])
def test_what_is_no_line_of_the_stream_is_a_finding_and_shows_nothing(case: dict[str, Any]) -> None:
    reader = Reader([b64u_decode(VECTORS["key"])], genesis=VECTORS["genesis"], service=VECTORS["service"])
    start, *_ = VECTORS["good"][0]["lines"]
    before = [] if case["name"].startswith(("a start with", "a start that says")) else [start["line"]]
    for line in before:
        assert not any(isinstance(event, Finding) for event in reader.read(line.encode()))
    events: list[Event] = list(reader.read(case["line"].encode()))
    assert [event.code for event in events if isinstance(event, Finding)] == ["altered"], events
    assert not any(isinstance(event, Written) for event in events)
    assert [stream.status for stream in reader.streams] == [None] * len(before)


def test_other_text_may_stand_around_a_line() -> None:
    line = VECTORS["good"][0]["lines"][1]["line"].encode()
    bare = list(lines_in(line))
    for text in (
        b"2026-11-29T20:00:00.1Z stdout F " + line + b"\r\n",
        b"api-1  | " + line + b"\n",
        b'{"log":"' + line + b'\\n","stream":"stdout"}',
        b"\xff\x00 " + line + b" tail",
    ):
        assert list(lines_in(text)) == bare
    assert list(lines_in(line + b" " + line)) == bare * 2
    # One that was cut off while it was written, and the next behind it.
    cut, whole = lines_in(line[:60] + line)
    assert (cut == whole, [whole]) == (False, bare)


def test_a_line_that_is_damaged_is_no_line_and_is_not_passed_over() -> None:
    line = VECTORS["good"][0]["lines"][1]["line"].encode()
    for text in (
        line[:30],
        line.replace(b":1:", b":-1:"),
        line.replace(b":1:", b":99999999999999999:"),
        line + b"A" * 4000,
    ):
        assert list(lines_in(text)) == [None]


@given(st.binary(max_size=200))
def test_any_bytes_are_read(text: bytes) -> None:
    for candidate in (text, b"casemate-output:v1:" + text):
        assert all(line is None or isinstance(line, SealedLine) for line in lines_in(candidate))


def test_every_flipped_bit_of_a_body_is_noticed() -> None:
    stream = VECTORS["good"][0]
    (line,) = lines_in(stream["lines"][1]["line"].encode())
    assert line is not None
    key = StreamKey(b64u_decode(stream["key"]), genesis=stream["genesis"], service="api", stream=line.stream)
    for bit in range(len(line.body) * 8):
        body = bytearray(line.body)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OutputTamperedError):
            key.open(SealedLine(line.stream, line.number, bytes(body)))
