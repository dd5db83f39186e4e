"""What a host can do to a log, and that a reader says so (spec/output-format.md, "What a reader may believe")."""

from __future__ import annotations

from typing import Any

from casemate.output.reading import Finding, Reader, Stream, Written
from casemate.wire.fields import b64u_decode

from .conftest import vectors

VECTORS = vectors("output")
KEY = b64u_decode(VECTORS["key"])
WHOLE = [line["line"].encode() + b"\n" for line in VECTORS["good"][0]["lines"]]
OTHER = [line["line"].encode() + b"\n" for line in VECTORS["good"][1]["lines"]]
CONTENT = [b64u_decode(line["content"]) for line in VECTORS["good"][0]["lines"][1:-1]]


def read(log: list[bytes], **options: Any) -> tuple[Reader, list[bytes], list[tuple[str, str]]]:
    """The reader, what was written, and codes with texts of what is wrong."""
    reader = Reader([KEY], genesis=VECTORS["genesis"], service=VECTORS["service"], **options)
    events = [event for line in log for event in reader.read(line)]
    findings = [(event.code, event.text) for event in events if isinstance(event, Finding)]
    assert reader.findings == len(findings)
    return reader, [event.content for event in events if isinstance(event, Written)], findings


def test_a_whole_log_is_read_in_order() -> None:
    reader, written, findings = read(WHOLE)
    assert (written, findings) == (CONTENT, [])
    (stream,) = reader.streams
    assert stream.status == 143
    assert stream.written == sum(map(len, CONTENT))
    assert stream.about is not None
    assert stream.about.manifest.startswith("sha256:")


def test_standard_output_and_error_are_told_apart() -> None:
    reader, _, _ = read([])
    events = [event for line in WHOLE for event in reader.read(line)]
    channels = [event.channel for event in events if isinstance(event, Written)]
    assert channels == ["stdout", "stderr", "stdout", "stdout", "stdout"]
    assert [isinstance(event, Stream) for event in events] == [True] + [False] * 5


def test_lines_that_are_taken_out_are_missed() -> None:
    _, written, findings = read([*WHOLE[:2], *WHOLE[4:]])
    assert findings == [("missing", "lines 2 to 3 are missing")]
    assert written == [CONTENT[0], *CONTENT[3:]]


def test_a_beginning_that_is_held_back_is_missed() -> None:
    reader, _, findings = read(WHOLE[2:])
    assert findings == [("missing", "lines 0 to 1 are missing")]
    assert reader.streams[0].about is None


def test_an_end_that_is_held_back_shows_as_no_status() -> None:
    reader, _, findings = read(WHOLE[:-1])
    assert findings == []
    assert reader.streams[0].status is None


def test_a_line_that_comes_twice_shows_once() -> None:
    _, written, findings = read([*WHOLE[:3], WHOLE[2], *WHOLE[3:]])
    assert findings == [("repeated", "line 2 comes again, or too late")]
    assert written == CONTENT


def test_lines_in_another_order_are_noticed() -> None:
    _, written, findings = read([WHOLE[0], WHOLE[2], WHOLE[1], *WHOLE[3:]])
    assert [code for code, _ in findings] == ["missing", "repeated"]
    assert written == CONTENT[1:]


def test_nothing_follows_an_end() -> None:
    _, written, findings = read([*WHOLE, VECTORS["after_the_end"].encode()])
    assert findings == [("after the end", f"line {len(WHOLE)} comes after the end")]
    assert written == CONTENT


def test_an_end_that_comes_early_ends_it() -> None:
    reader, written, findings = read([*WHOLE[:2], WHOLE[-1], *WHOLE[2:-1]])
    assert [code for code, _ in findings] == ["missing", *["repeated"] * (len(WHOLE) - 3)]
    assert (written, reader.streams[0].status) == (CONTENT[:1], 143)


def test_starts_of_one_service_follow_one_another() -> None:
    reader, written, findings = read([*WHOLE, *OTHER])
    assert (written, findings) == (CONTENT, [])
    assert [stream.status for stream in reader.streams] == [143, 0]
    # One that was killed, and the next.
    reader, _, findings = read([*WHOLE[:3], *OTHER])
    assert (findings, [stream.status for stream in reader.streams]) == ([], [None, 0])


def test_starts_are_not_spliced_into_each_other() -> None:
    mixed = [*WHOLE[:2], OTHER[0], *WHOLE[2:], OTHER[1]]
    reader, written, findings = read(mixed)
    assert {code for code, _ in findings} == {"mixed"}
    assert findings[0] == ("mixed", "line 2 comes after another start began")
    assert (written, reader.streams[0].status) == (CONTENT[:1], None)
    # Where somebody put the logs of replicas together, it is said which start each piece is of.
    reader, written, findings = read(mixed, mixed=True)
    assert (written, findings) == (CONTENT, [])
    assert [stream.status for stream in reader.streams] == [143, 0]


def test_each_piece_names_its_start() -> None:
    reader, _, _ = read([])
    events = [event for line in WHOLE for event in reader.read(line)]
    assert {event.stream for event in events if isinstance(event, Written)} == {VECTORS["stream"]}


def test_after_a_change_of_keys_each_start_opens_under_its_own() -> None:
    reader = Reader([bytes(32), KEY], genesis=VECTORS["genesis"], service=VECTORS["service"])
    assert not any(isinstance(event, Finding) for line in WHOLE for event in reader.read(line))
    reader = Reader([bytes(32)], genesis=VECTORS["genesis"], service=VECTORS["service"])
    assert all(isinstance(event, Finding) for line in WHOLE for event in reader.read(line))
    assert reader.streams == []


def test_a_line_that_was_altered_leaves_a_gap_and_its_number_to_come() -> None:
    altered = WHOLE[2][:-10] + b"AAAA" + WHOLE[2][-6:]
    _, written, findings = read([*WHOLE[:2], altered, *WHOLE[3:]])
    assert [code for code, _ in findings] == ["altered", "missing"]
    assert written == [CONTENT[0], *CONTENT[2:]]
    # Who only adds a line can take nothing away.
    _, written, findings = read([*WHOLE[:2], altered, *WHOLE[2:]])
    assert [code for code, _ in findings] == ["altered"]
    assert written == CONTENT


def test_lines_that_nobody_sealed_are_counted_and_not_shown() -> None:
    reader, written, findings = read([b"casemate-shield: a word\n", b"\n", *WHOLE, b"made up\n"])
    assert (reader.unsealed, written, findings) == (2, CONTENT, [])
